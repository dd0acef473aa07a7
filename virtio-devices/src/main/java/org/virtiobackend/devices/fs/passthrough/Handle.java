package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Fd;

/** An open file or directory of the driver; keeps its inode known. */
class Handle extends Slot {
    private final Fd fd;
    private final Inode inode;
    private volatile boolean locked;

    /**
     * @param fd taken over
     * @param inode pinned by the caller; the pin is taken over
     */
    Handle(int fd, Inode inode) {
        this.fd = Fd.adopt(fd);
        this.inode = inode;
    }

    final Fd descriptor() {
        return fd;
    }

    final int fd() {
        return fd.value();
    }

    final Inode inode() {
        return inode;
    }

    /** A byte range was locked by way of it. */
    final void lockedThrough() {
        locked = true;
    }

    final boolean wasLockedThrough() {
        return locked;
    }

    @Override
    void dispose() {
        fd.close();
        inode.unpin();
    }

    /** Closes a descriptor for which no handle could be made. */
    static void discard(int fd, Inode inode) {
        DirectoryIo.close(fd);
        inode.unpin();
    }
}
