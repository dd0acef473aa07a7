package org.virtiobackend.devices.fs.passthrough;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.FileLocks;

/** Open files that hold the byte-range locks of one owner on one inode each. Any thread. */
final class LockOwners {
    private record Key(long nodeId, long owner) {}

    private static final class Holder {
        final int fd;
        final Inode inode;
        int pid;
        final HeldRanges ranges = new HeldRanges();
        /** Through which open file of the driver it was used last. */
        long handle;

        Holder(int fd, Inode inode) {
            this.fd = fd;
            this.inode = inode;
        }

        void close() {
            DirectoryIo.close(fd);
            inode.unpin();
        }
    }

    private final Map<Key, Holder> holders = new HashMap<>();
    private final int limit;
    private final int maxRanges;
    /** Ranges of all owners. */
    private int rangeCount;

    private final boolean readOnly;

    /**
     * @param limit most owners and inodes at a time
     * @param maxRanges most ranges that all of them hold together: the kernel keeps account of each
     * @param readOnly nothing is opened for writing: that alone keeps the host from executing a file
     */
    LockOwners(int limit, int maxRanges, boolean readOnly) {
        this.limit = limit;
        this.maxRanges = maxRanges;
        this.readOnly = readOnly;
    }

    synchronized int set(FsThread thread, Handle handle, long owner, int pid, int type, long start, long length) {
        Key key = new Key(handle.inode().id(), owner);
        Holder holder = holders.get(key);
        if (holder == null && type == FileLocks.F_UNLCK) {
            return 0;
        }
        long end = length == 0 ? Long.MAX_VALUE : start + length - 1;
        // unlocking the middle of one makes two
        int growth = holder == null ? 1 : holder.ranges.growth(start, end, type);
        if (growth > 0 && rangeCount + growth > maxRanges) {
            return -Errno.ENOLCK;
        }
        if (holder == null) {
            int fd = holders.size() < limit ? open(thread, handle.inode(), true) : -Errno.ENOLCK;
            if (fd < 0) {
                return fd;
            }
            holder = new Holder(fd, handle.inode());
            handle.inode().pin(); // the handle keeps it alive, so this does not fail
            holders.put(key, holder);
        }
        holder.pid = pid;
        holder.handle = handle.id();
        handle.lockedThrough();
        int result = FileLocks.setRange(holder.fd, type, start, length, thread.scratch());
        if (result == 0) {
            holder.ranges.set(start, end, type);
            rangeCount += growth;
        }
        return result;
    }

    synchronized int query(FsThread thread, Handle handle, long owner, int type, long start, long length) {
        Holder holder = holders.get(new Key(handle.inode().id(), owner));
        int fd = holder != null ? holder.fd : open(thread, handle.inode(), false);
        if (fd < 0) {
            return fd;
        }
        int result = FileLocks.queryRange(fd, type, start, length, thread.scratch());
        if (holder == null) {
            DirectoryIo.close(fd);
        }
        return result;
    }

    /** The driver's process whose lock is in the way, if there is only one that can be meant; otherwise 0 or the host's. */
    synchronized int pidOfOther(Inode inode, long owner, int hostPid) {
        int found = 0;
        for (Map.Entry<Key, Holder> entry : holders.entrySet()) {
            if (entry.getValue().inode == inode && entry.getKey().owner() != owner) {
                if (found != 0) {
                    return 0;
                }
                found = entry.getValue().pid;
            }
        }
        return found != 0 ? found : Math.max(hostPid, 0);
    }

    /** Of some owners those that keep another one from a lock at the moment. */
    synchronized List<Long> inTheWay(Set<Long> some, long nodeId, long owner, int type, long start, long end) {
        List<Long> found = new ArrayList<>();
        for (Long each : some) {
            Holder holder = each == owner ? null : holders.get(new Key(nodeId, each));
            if (holder != null && holder.ranges.areInTheWay(start, end, type)) {
                found.add(each);
            }
        }
        return found;
    }

    /** The owner has closed the file: its locks go, as POSIX has it. True when there may have been some. */
    synchronized boolean closed(Inode inode, long owner) {
        if (holders.isEmpty()) {
            return false;
        }
        Holder holder = holders.remove(new Key(inode.id(), owner));
        if (holder != null) {
            close(holder);
        }
        return holder != null;
    }

    /**
     * The driver's open file is closed for good: what was locked through it goes, also for an owner that never said that it
     * closed the file. Linux is one where a lock belongs to an open file (F_OFD_SETLK). True when there were some.
     */
    synchronized boolean released(Handle handle) {
        boolean any = false;
        for (Iterator<Holder> all = holders.values().iterator(); handle.wasLockedThrough() && all.hasNext(); ) {
            Holder holder = all.next();
            if (holder.handle == handle.id()) {
                close(holder);
                all.remove();
                any = true;
            }
        }
        return any;
    }

    synchronized void clear() {
        for (Iterator<Holder> all = holders.values().iterator(); all.hasNext(); ) {
            close(all.next());
            all.remove();
        }
    }

    private void close(Holder holder) {
        rangeCount -= holder.ranges.count();
        holder.close();
    }

    private int open(FsThread thread, Inode inode, boolean toLock) {
        if (!inode.isRegular()) {
            return -Errno.EBADF;
        }
        // a reader of the host with a lease is asked to give it up, and until then nobody gets a lock: EAGAIN
        int fd = readOnly ? -Errno.EROFS : thread.proc().reopen(inode.fd(), FileIo.O_RDWR | FileIo.O_NONBLOCK);
        // a shared lock needs no more than reading
        boolean done = fd >= 0 || fd == -Errno.EAGAIN && toLock;
        return done ? fd : thread.proc().reopen(inode.fd(), FileIo.O_RDONLY | FileIo.O_NONBLOCK);
    }
}
