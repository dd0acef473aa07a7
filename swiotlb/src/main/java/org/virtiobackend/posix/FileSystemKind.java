package org.virtiobackend.posix;

import java.util.Set;

/** The kind of file system that a file lies on, as statfs(2) tells it. */
public final class FileSystemKind {
    /** Not known: the file system could not be asked. */
    public static final long UNKNOWN = 0;

    public static final long TMPFS = 0x0102_1994L;

    private static final long RAMFS = 0x8584_58f6L;
    private static final long HUGETLBFS = 0x9584_58f6L;
    private static final long EXT4 = 0xef53L;
    private static final long XFS = 0x5846_5342L;
    private static final long BTRFS = 0x9123_683eL;
    private static final long F2FS = 0xf2f5_2010L;
    private static final long ZFS = 0x2fc1_2fc1L;
    private static final long BCACHEFS = 0xca45_1a4eL;
    /** Not overlayfs: a layer of it may be FUSE, and any user can mount one. */
    private static final Set<Long> LOCAL = Set.of(TMPFS, RAMFS, HUGETLBFS, EXT4, XFS, BTRFS, F2FS, ZFS, BCACHEFS);

    private FileSystemKind() {}

    /**
     * @param fd O_PATH will do
     * @param scratch at least {@link FileSpace#STATFS_BYTES}
     */
    public static long of(int fd, NativeBuffer scratch) {
        return FileSpace.status(fd, scratch) == 0 ? scratch.buffer().getLong(0) & 0xffff_ffffL : UNKNOWN;
    }

    /** Whether it is in the hands of this kernel alone, not of another program (FUSE) or machine (NFS), which need not answer. */
    public static boolean isLocal(long kind) {
        return LOCAL.contains(kind);
    }
}
