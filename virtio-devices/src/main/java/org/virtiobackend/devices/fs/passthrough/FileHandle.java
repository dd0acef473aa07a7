package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;

/** An open regular file. */
final class FileHandle extends Handle {
    private final int flags;

    /** @param flags with which it is open on the host */
    FileHandle(int fd, Inode inode, int flags) {
        super(fd, inode);
        this.flags = flags;
    }

    /** Whether a write through it waits for the storage. */
    boolean waits() {
        return OpenFlags.waits(flags);
    }

    /** Whether the host takes nothing but more at its end. */
    boolean onlyGrows() {
        return (flags & DirectoryIo.O_APPEND) != 0;
    }

    /** Whether writes through it are possible. */
    boolean isWritable() {
        return OpenFlags.changes(flags);
    }
}
