package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.devices.fs.fuse.FuseNotify;
import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryChanges;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.ProcFd;

/**
 * What others change in the directories that a driver knows, as notifications that make it look again. Directories come and go with
 * the table's lock held; {@link #next} belongs to one thread.
 */
public final class ChangeWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ChangeWatch.class);

    /** How events call the directory itself. */
    private static final byte[] SELF = {'.', 0};

    private final InodeTable inodes;
    private final DirectoryChanges changes;
    private final boolean alone;
    private final int limit;
    /** With the lock held: control has no {@link FsThread}, whose making takes privileges away. */
    private final ProcFd proc = new ProcFd();

    private final Map<ByteBuffer, Long> directories = new HashMap<>();
    private boolean complained;

    /** What is left to say of the present event. */
    private int left;

    private long directory;
    private byte[] name;
    /** While all is to be looked at again: which file is next; otherwise -1. */
    private int sweep = -1;

    /**
     * @param alone nobody but this driver works through this process, so that the process's own changes are the driver's
     * @param limit most directories
     */
    ChangeWatch(InodeTable inodes, boolean alone, int limit) throws ErrnoException {
        this.inodes = inodes;
        this.changes = DirectoryChanges.open();
        this.alone = alone;
        this.limit = limit;
    }

    /** Readable when there is something to tell; stays this object's. */
    public Fd fd() {
        return changes.fd();
    }

    /** A directory has become known: what its events will call it, or null when it cannot be watched. */
    synchronized ByteBuffer add(Inode known) {
        byte[] key = directories.size() < limit ? changes.watch(proc, known.fd()) : null;
        if (key == null) {
            if (!complained) {
                complained = true;
                LOG.warn("not all directories can be watched for changes by others");
            }
            return null;
        }
        ByteBuffer name = ByteBuffer.wrap(key);
        directories.put(name, known.id());
        return name;
    }

    /** A directory that was watched is forgotten. */
    synchronized void remove(Inode known) {
        if (directories.remove(known.watchKey, known.id())) {
            changes.unwatch(proc, known.fd());
        }
    }

    /** All are forgotten. */
    synchronized void clear() {
        directories.clear();
        changes.unwatchAll();
    }

    /** Directories that are watched. */
    synchronized int count() {
        return directories.size();
    }

    private synchronized Long nodeOf(byte[] key) {
        return directories.get(ByteBuffer.wrap(key));
    }

    /**
     * Writes the next notification.
     *
     * @param out begun
     * @return its code, or 0: there is nothing to tell at the moment
     */
    public int next(FuseReply out) {
        while (true) {
            if (sweep >= 0) {
                int code = sweep(out);
                if (code != 0) {
                    return code;
                }
            } else if ((left & DirectoryChanges.NAMES) != 0) {
                left &= ~DirectoryChanges.NAMES;
                return FuseNotify.invalidateEntry(out, directory, name);
            } else if (left != 0) {
                boolean data = (left & DirectoryChanges.MODIFY) != 0;
                left = 0;
                long node = DirectoryChanges.isSelf(name) ? directory : child();
                if (node != 0) {
                    return FuseNotify.invalidateInode(out, node, data);
                }
            } else if (!changes.next()) {
                return 0;
            } else {
                begin();
            }
        }
    }

    private void begin() {
        int what = changes.what();
        if ((what & DirectoryChanges.OVERFLOW) != 0) {
            sweep = 0;
            return;
        }
        byte[] key = alone && changes.isOwn() ? null : changes.directory();
        Long node = key == null ? null : nodeOf(key);
        if (node != null) {
            begin(node, changes.nameBytes(), what);
        }
    }

    /** Something has become of a name in a directory; one that no driver can say makes the directory another. */
    void begin(long node, byte[] changed, int what) {
        boolean sayable = changed.length - 1 <= FuseRequest.NAME_MAX;
        directory = node;
        name = sayable ? changed : SELF;
        left = sayable
                ? what & (DirectoryChanges.NAMES | DirectoryChanges.MODIFY | DirectoryChanges.ATTRIB)
                : DirectoryChanges.MODIFY;
    }

    /** The node of the present event's name, if the driver knows it. */
    private long child() {
        Inode parent = inodes.pin(directory);
        if (parent == null) {
            return 0;
        }
        FsThread thread = FsThread.current();
        try {
            int result = thread.attributes().readAt(parent.fd(), thread.nameOf(name));
            return result < 0 ? 0 : inodes.idOf(thread.attributes());
        } finally {
            parent.unpin();
        }
    }

    /** After events were lost: the name of each file that is known, and then the file. */
    private int sweep(FuseReply out) {
        int index = sweep >> 1;
        if (index >= inodes.end()) {
            sweep = -1;
            return 0;
        }
        boolean first = (sweep++ & 1) == 0;
        Inode inode = inodes.at(index);
        if (inode == null) {
            return 0;
        }
        Inode.Place place = inode.place();
        if (!first) {
            return FuseNotify.invalidateInode(out, inode.id(), true);
        }
        return place == null ? 0 : FuseNotify.invalidateEntry(out, place.directory(), place.name());
    }

    @Override
    public void close() {
        changes.close();
    }
}
