package org.virtiobackend.devices.fs.passthrough;

/** An open regular file. */
final class FileHandle extends Handle {
    private final boolean waits;

    /** @param flags with which the driver opened it */
    FileHandle(int fd, Inode inode, int flags) {
        super(fd, inode);
        this.waits = OpenFlags.waits(flags);
    }

    /** Whether a write through it waits for the storage. */
    boolean waits() {
        return waits;
    }
}
