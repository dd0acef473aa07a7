package org.virtiobackend.devices.fs.fuse;

/** Request numbers of FUSE 7.46, under the protocol's names, and how short a request and its reply can be. */
public final class FuseOpcode {
    public static final int FUSE_LOOKUP = 1;
    public static final int FUSE_FORGET = 2;
    public static final int FUSE_GETATTR = 3;
    public static final int FUSE_SETATTR = 4;
    public static final int FUSE_READLINK = 5;
    public static final int FUSE_SYMLINK = 6;
    public static final int FUSE_MKNOD = 8;
    public static final int FUSE_MKDIR = 9;
    public static final int FUSE_UNLINK = 10;
    public static final int FUSE_RMDIR = 11;
    public static final int FUSE_RENAME = 12;
    public static final int FUSE_LINK = 13;
    public static final int FUSE_OPEN = 14;
    public static final int FUSE_READ = 15;
    public static final int FUSE_WRITE = 16;
    public static final int FUSE_STATFS = 17;
    public static final int FUSE_RELEASE = 18;
    public static final int FUSE_FSYNC = 20;
    public static final int FUSE_SETXATTR = 21;
    public static final int FUSE_GETXATTR = 22;
    public static final int FUSE_LISTXATTR = 23;
    public static final int FUSE_REMOVEXATTR = 24;
    public static final int FUSE_FLUSH = 25;
    public static final int FUSE_INIT = 26;
    public static final int FUSE_OPENDIR = 27;
    public static final int FUSE_READDIR = 28;
    public static final int FUSE_RELEASEDIR = 29;
    public static final int FUSE_FSYNCDIR = 30;
    public static final int FUSE_GETLK = 31;
    public static final int FUSE_SETLK = 32;
    public static final int FUSE_SETLKW = 33;
    public static final int FUSE_ACCESS = 34;
    public static final int FUSE_CREATE = 35;
    public static final int FUSE_INTERRUPT = 36;
    public static final int FUSE_DESTROY = 38;
    public static final int FUSE_IOCTL = 39;
    public static final int FUSE_POLL = 40;
    public static final int FUSE_BATCH_FORGET = 42;
    public static final int FUSE_FALLOCATE = 43;
    public static final int FUSE_READDIRPLUS = 44;
    public static final int FUSE_RENAME2 = 45;
    public static final int FUSE_LSEEK = 46;
    public static final int FUSE_COPY_FILE_RANGE = 47;
    public static final int FUSE_SYNCFS = 50;
    public static final int FUSE_TMPFILE = 51;
    public static final int FUSE_STATX = 52;
    public static final int FUSE_COPY_FILE_RANGE_64 = 53;

    /** One more than the largest number that is known. */
    public static final int COUNT = 54;

    private static final byte[] IN = new byte[COUNT];
    private static final short[] OUT = new short[COUNT];

    static {
        sizes(FUSE_FORGET, 8, 0);
        sizes(FUSE_LOOKUP, 1, FuseReply.ENTRY_BYTES);
        sizes(FUSE_GETATTR, 16, FuseReply.ATTR_OUT_BYTES);
        sizes(FUSE_SETATTR, 88, FuseReply.ATTR_OUT_BYTES);
        sizes(FUSE_SYMLINK, 2, FuseReply.ENTRY_BYTES);
        sizes(FUSE_MKNOD, 16, FuseReply.ENTRY_BYTES);
        sizes(FUSE_MKDIR, 8, FuseReply.ENTRY_BYTES);
        sizes(FUSE_RENAME, 8, 0);
        sizes(FUSE_RENAME2, 16, 0);
        sizes(FUSE_LINK, 8, FuseReply.ENTRY_BYTES);
        sizes(FUSE_OPEN, 8, FuseReply.OPEN_OUT_BYTES);
        sizes(FUSE_OPENDIR, 8, FuseReply.OPEN_OUT_BYTES);
        sizes(FUSE_CREATE, 16, FuseReply.ENTRY_BYTES + FuseReply.OPEN_OUT_BYTES);
        sizes(FUSE_TMPFILE, 16, FuseReply.ENTRY_BYTES + FuseReply.OPEN_OUT_BYTES);
        sizes(FUSE_READ, 40, 0);
        sizes(FUSE_WRITE, 40, 8);
        sizes(FUSE_STATFS, 0, 80);
        sizes(FUSE_RELEASE, 24, 0);
        sizes(FUSE_RELEASEDIR, 24, 0);
        sizes(FUSE_FSYNC, 16, 0);
        sizes(FUSE_FSYNCDIR, 16, 0);
        sizes(FUSE_SETXATTR, 8, 0);
        sizes(FUSE_GETXATTR, 8, 0);
        sizes(FUSE_LISTXATTR, 8, 0);
        sizes(FUSE_FLUSH, 24, 0);
        sizes(FUSE_INIT, 16, 8);
        sizes(FUSE_READDIR, 40, 0);
        sizes(FUSE_READDIRPLUS, 40, 0);
        sizes(FUSE_GETLK, 48, 24);
        sizes(FUSE_SETLK, 48, 0);
        sizes(FUSE_SETLKW, 48, 0);
        sizes(FUSE_ACCESS, 8, 0);
        sizes(FUSE_INTERRUPT, 8, 0);
        sizes(FUSE_IOCTL, 32, 16);
        sizes(FUSE_POLL, 24, 8);
        sizes(FUSE_BATCH_FORGET, 8, 0);
        sizes(FUSE_FALLOCATE, 32, 0);
        sizes(FUSE_LSEEK, 24, 8);
        sizes(FUSE_COPY_FILE_RANGE, 56, 8);
        sizes(FUSE_COPY_FILE_RANGE_64, 56, 8);
        sizes(FUSE_STATX, 24, FuseReply.STATX_OUT_BYTES);
    }

    private FuseOpcode() {}

    /** Bytes that a request has after its header, at least. */
    public static int minRequestBytes(int opcode) {
        return opcode > 0 && opcode < COUNT ? IN[opcode] : 0;
    }

    /** Bytes that a reply has after its header: no request is started that cannot be answered. */
    public static int minReplyBytes(int opcode) {
        return opcode > 0 && opcode < COUNT ? OUT[opcode] : 0;
    }

    private static void sizes(int opcode, int in, int out) {
        IN[opcode] = (byte) in;
        OUT[opcode] = (short) out;
    }
}
