package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.FileSpace;
import org.virtiobackend.posix.NativeBuffer;

/** What kinds of file system lie below the shared directory. Any thread. */
final class FileSystems {
    private static final long TMPFS = 0x0102_1994L;
    private static final long EXT4 = 0xef53L;
    private static final long XFS = 0x5846_5342L;
    private static final long BTRFS = 0x9123_683eL;
    private static final long F2FS = 0xf2f5_2010L;
    private static final long ZFS = 0x2fc1_2fc1L;
    private static final long BCACHEFS = 0xca45_1a4eL;

    private final boolean rootIsInMemory;
    /** The one that was looked at last; a race costs one more look. */
    private long seenDevice;

    private volatile boolean local;

    /** @param fd O_PATH will do */
    FileSystems(int fd, long device) {
        long kind = kindOf(fd, NativeBuffer.allocate(FileSpace.STATFS_BYTES));
        rootIsInMemory = kind == TMPFS;
        local = isLocal(kind);
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
            if (local && !isLocal(kindOf(fd, thread.scratch()))) {
                local = false;
            }
            seenDevice = device;
        }
    }

    private static long kindOf(int fd, NativeBuffer status) {
        return FileSpace.status(fd, status) == 0 ? status.buffer().getLong(0) : 0;
    }

    private static boolean isLocal(long kind) {
        return kind == TMPFS
                || kind == EXT4
                || kind == XFS
                || kind == BTRFS
                || kind == F2FS
                || kind == ZFS
                || kind == BCACHEFS;
    }
}
