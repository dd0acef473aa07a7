package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIdentity;

/**
 * The files that the driver knows, by node id and by identity, and how often it was told of each: FORGET takes that back. The
 * root is node 1 and always there. Only so many have a descriptor at a time.
 */
final class InodeTable {
    static final long ROOT_ID = 1;

    private static final int INITIAL_BUCKETS = 1024;
    /** Directories above each other that are opened again for the sake of one file. */
    private static final int MAX_DEPTH = 256;

    private final SlotTable<Inode> byId;
    private final OpenInodes open;
    /** Null: nobody wants to know what others change. */
    private volatile ChangeWatch watch;

    private final Inode root;
    private Inode[] buckets = new Inode[INITIAL_BUCKETS];
    private int count;

    /**
     * @param rootFd taken over
     * @param limit most files
     * @param maxOpen most descriptors that they take
     */
    InodeTable(int rootFd, FileAttributes rootAttributes, int limit, int maxOpen) {
        byId = new SlotTable<>(limit);
        open = new OpenInodes(maxOpen);
        root = new Inode(rootFd, rootAttributes, null, open);
        open.add(root);
        root.lookups = 1;
        byId.add(root);
        insert(root);
    }

    Inode root() {
        return root;
    }

    /** Watches directories from now on, or none with null. */
    synchronized void setWatch(ChangeWatch newWatch) {
        watch = newWatch;
        watch(root);
    }

    boolean isWatched() {
        return watch != null;
    }

    private void watch(Inode inode) {
        inode.watchKey = watch != null && inode.isDirectory() ? watch.add(inode) : null;
    }

    /** The file of a node id, pinned and with a descriptor, or null: never known, forgotten, or not found any more. */
    Inode pin(long nodeId) {
        return pin(nodeId, 0);
    }

    private Inode pin(long nodeId, int depth) {
        Inode inode = byId.pin(nodeId);
        if (inode == null) {
            return null;
        }
        inode.markUsed();
        if (inode.isOpen() || depth < MAX_DEPTH && reopen(inode, depth)) {
            return inode;
        }
        inode.unpin();
        return null;
    }

    /** Looks where a file was found last; it is judged by its identity, not by its name. */
    private boolean reopen(Inode inode, int depth) {
        Inode.Place place = inode.place();
        Inode directory = pin(place.directory(), depth + 1);
        if (directory == null) {
            return inode.isOpen();
        }
        FsThread thread = FsThread.current();
        makeRoom();
        int fd = open.isFull() ? -1 : DirectoryIo.openPath(directory.fd(), thread.nameOf(place.name()));
        directory.unpin();
        if (fd >= 0 && !inode.adopt(fd, thread.identities())) {
            DirectoryIo.close(fd);
        }
        return inode.isOpen();
    }

    private void makeRoom() {
        if (open.areMany()) {
            FileIdentity identities = FsThread.current().identities();
            synchronized (this) {
                open.closeUnused(identities);
            }
        }
    }

    /** A name that a known file was given. */
    void foundAt(FileAttributes attributes, long directory, byte[] name) {
        synchronized (this) {
            Inode inode = find(attributes);
            if (inode != null && inode.place() != null) {
                inode.foundAt(new Inode.Place(directory, name));
            }
        }
    }

    /** A file that is known, counted once more, not pinned; or null. */
    synchronized Inode known(FileAttributes attributes) {
        Inode inode = find(attributes);
        if (inode == null || !inode.isOpen()) {
            return null; // without a descriptor its number proves nothing
        }
        inode.markUsed();
        inode.lookups++;
        return inode;
    }

    /** Whether a file of this number is known; a guess about what to do first, never an answer. */
    synchronized boolean probablyKnown(long number, long device) {
        for (Inode i = buckets[Inode.hash(number, device) & buckets.length - 1]; i != null; i = i.next) {
            if (i.number() == number) {
                return true;
            }
        }
        return false;
    }

    /**
     * Makes a file known, or counts it once more.
     *
     * @param fd taken over
     * @param place where it was found; null for a file without a name
     * @return its node id, or 0 when there are too many, or too many with a descriptor
     */
    long add(int fd, FileAttributes attributes, Inode.Place place) {
        makeRoom();
        synchronized (this) {
            Inode inode = find(attributes);
            if (open.isFull() && (inode == null || !inode.isOpen())) {
                DirectoryIo.close(fd);
                return 0;
            }
            if (inode != null && inode.adopt(fd, FsThread.current().identities())) {
                if (place != null && inode.place() != null) {
                    inode.foundAt(place);
                }
                inode.lookups++;
                return inode.id();
            }
            if (inode != null) {
                delete(inode); // it has gone, and its number is another's now
            }
            inode = new Inode(fd, attributes, place, open);
            open.add(inode);
            if (byId.add(inode)) {
                inode.lookups = 1;
                insert(inode);
                watch(inode);
                return inode.id();
            }
            inode.unpin();
            return 0;
        }
    }

    /** The driver forgets {@code times} of the times it was told; more than that counts as all of them. */
    void forget(long nodeId, long times) {
        if (nodeId == ROOT_ID) {
            return;
        }
        Inode inode = byId.pin(nodeId);
        if (inode == null) {
            return;
        }
        synchronized (this) {
            boolean all = Long.compareUnsigned(times, inode.lookups) >= 0;
            inode.lookups = all ? 0 : inode.lookups - times;
            if (all && byId.remove(nodeId)) {
                delete(inode);
                if (inode.watchKey != null && watch != null) {
                    watch.remove(inode);
                }
            }
        }
        inode.unpin();
    }

    /** Forgets everything but the root. */
    synchronized void clear() {
        root.pin();
        long id = root.id();
        byId.clear();
        buckets = new Inode[INITIAL_BUCKETS];
        count = 0;
        byId.restore(root, id);
        insert(root);
        if (watch != null) {
            watch.clear();
            watch(root);
        }
    }

    /** Forgets the root too; nothing can be looked up any more. */
    synchronized void close() {
        byId.clear();
        buckets = new Inode[INITIAL_BUCKETS];
        count = 0;
    }

    /** The node id of a file if it is known, without counting; otherwise 0. */
    synchronized long idOf(FileAttributes attributes) {
        Inode inode = find(attributes);
        return inode == null ? 0 : inode.id();
    }

    /** What has an index, or null; 0 to {@link #end}. */
    Inode at(int index) {
        return byId.at(index);
    }

    int end() {
        return byId.end();
    }

    int count() {
        return byId.count();
    }

    /** Descriptors that files have. */
    int openCount() {
        return open.count();
    }

    private Inode find(FileAttributes attributes) {
        int hash = Inode.hash(attributes.inode(), attributes.device());
        for (Inode i = buckets[hash & buckets.length - 1]; i != null; i = i.next) {
            if (i.is(attributes)) {
                return i;
            }
        }
        return null;
    }

    private void insert(Inode inode) {
        if (++count > buckets.length) {
            Inode[] old = buckets;
            buckets = new Inode[old.length * 2];
            for (Inode chain : old) {
                while (chain != null) {
                    Inode following = chain.next;
                    link(chain);
                    chain = following;
                }
            }
        }
        link(inode);
    }

    private void link(Inode inode) {
        inode.listed = true;
        int bucket = inode.hash() & buckets.length - 1;
        inode.next = buckets[bucket];
        buckets[bucket] = inode;
    }

    private void delete(Inode inode) {
        if (!inode.listed) {
            return;
        }
        inode.listed = false;
        int bucket = inode.hash() & buckets.length - 1;
        if (buckets[bucket] == inode) {
            buckets[bucket] = inode.next;
        } else {
            for (Inode i = buckets[bucket]; i != null; i = i.next) {
                if (i.next == inode) {
                    i.next = inode.next;
                    break;
                }
            }
        }
        inode.next = null;
        count--;
    }
}
