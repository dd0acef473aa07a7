package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.FileSpace;
import org.virtiobackend.posix.FileSystemKind;
import org.virtiobackend.posix.NativeBuffer;

/** What kinds of file system lie below the shared directory. Any thread. */
final class FileSystems {
    private final boolean rootIsInMemory;
    /** The one that was looked at last; a race costs one more look. */
    private long seenDevice;

    private volatile boolean local;

    /** @param fd O_PATH will do */
    FileSystems(int fd, long device) {
        long kind = FileSystemKind.of(fd, NativeBuffer.allocate(FileSpace.STATFS_BYTES));
        rootIsInMemory = kind == FileSystemKind.TMPFS;
        local = FileSystemKind.isLocal(kind);
        seenDevice = device;
    }

    /** Whether reading never waits for a disk. */
    boolean rootIsInMemory() {
        return rootIsInMemory;
    }

    /** Whether none that was met asks another machine or another program. */
    boolean areLocal() {
        return local;
    }

    /** A file of that device was found: something may be mounted below the shared directory. */
    void met(FsThread thread, int fd, long device) {
        if (device != seenDevice) {
            if (local && !FileSystemKind.isLocal(FileSystemKind.of(fd, thread.scratch()))) {
                local = false;
            }
            seenDevice = device;
        }
    }
}
