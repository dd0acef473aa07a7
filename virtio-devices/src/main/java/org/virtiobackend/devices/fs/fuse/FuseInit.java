package org.virtiobackend.devices.fs.fuse;

/** Versions and flags of FUSE_INIT. Bits 32 and up travel in {@code flags2}. */
public final class FuseInit {
    public static final int FUSE_KERNEL_VERSION = 7;
    /** The newest minor version that is spoken. */
    public static final int FUSE_KERNEL_MINOR_VERSION = 46;
    /** The oldest: what came before it has other structures. */
    public static final int OLDEST_MINOR_VERSION = 31;
    /** Bytes of {@code struct fuse_init_out}. */
    public static final int INIT_OUT_BYTES = 64;

    public static final long FUSE_ASYNC_READ = 1L << 0;
    public static final long FUSE_POSIX_LOCKS = 1L << 1;
    public static final long FUSE_ATOMIC_O_TRUNC = 1L << 3;
    public static final long FUSE_BIG_WRITES = 1L << 5;
    public static final long FUSE_DONT_MASK = 1L << 6;
    public static final long FUSE_FLOCK_LOCKS = 1L << 10;
    public static final long FUSE_HAS_IOCTL_DIR = 1L << 11;
    public static final long FUSE_AUTO_INVAL_DATA = 1L << 12;
    public static final long FUSE_DO_READDIRPLUS = 1L << 13;
    public static final long FUSE_READDIRPLUS_AUTO = 1L << 14;
    public static final long FUSE_ASYNC_DIO = 1L << 15;
    public static final long FUSE_WRITEBACK_CACHE = 1L << 16;
    public static final long FUSE_PARALLEL_DIROPS = 1L << 18;
    public static final long FUSE_POSIX_ACL = 1L << 20;
    public static final long FUSE_MAX_PAGES = 1L << 22;
    public static final long FUSE_CACHE_SYMLINKS = 1L << 23;
    public static final long FUSE_SUBMOUNTS = 1L << 27;
    public static final long FUSE_HANDLE_KILLPRIV_V2 = 1L << 28;
    public static final long FUSE_SETXATTR_EXT = 1L << 29;
    public static final long FUSE_INIT_EXT = 1L << 30;
    public static final long FUSE_CREATE_SUPP_GROUP = 1L << 34;
    public static final long FUSE_DIRECT_IO_ALLOW_MMAP = 1L << 36;

    private FuseInit() {}
}
