package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/** What statx(2) says of a file, in memory of its own that is filled again and again. One thread at a time. */
public final class FileAttributes {
    public static final int S_IFMT = 0xf000;
    public static final int S_IFSOCK = 0xc000;
    public static final int S_IFLNK = 0xa000;
    public static final int S_IFREG = 0x8000;
    public static final int S_IFBLK = 0x6000;
    public static final int S_IFDIR = 0x4000;
    public static final int S_IFCHR = 0x2000;
    public static final int S_IFIFO = 0x1000;

    public static final int STATX_BASIC_STATS = 0x7ff;
    public static final int STATX_BTIME = 0x800;

    /** Numbers of mounts: those that are used again after an unmount, and since Linux 6.8 those that never are. */
    private static final int STATX_MNT_ID = 0x1000;

    private static final int STATX_MNT_ID_UNIQUE = 0x4000;
    private static final int MOUNT = STATX_MNT_ID | STATX_MNT_ID_UNIQUE;
    private static final int AT_SYMLINK_NOFOLLOW = 0x100;
    private static final int AT_NO_AUTOMOUNT = 0x800;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int BYTES = 256;
    private static final NativeBuffer EMPTY = NativeBuffer.allocate(8);

    private final NativeBuffer memory = NativeBuffer.allocate(BYTES);
    private final ByteBuffer bytes = memory.buffer();

    /** Fills in what is behind a descriptor, O_PATH ones too; 0 or a negative error number. */
    public int readFd(int fd) {
        return read(fd, EMPTY.address(), AT_EMPTY_PATH, STATX_BASIC_STATS);
    }

    /** The same with a choice of fields and of AT_STATX_ flags. */
    public int readFd(int fd, int flags, int mask) {
        return read(fd, EMPTY.address(), flags | AT_EMPTY_PATH, mask);
    }

    /** Fills in a directory's entry, itself if it is a symbolic link; 0 or a negative error number. */
    public int readAt(int directory, long name) {
        return read(directory, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_BASIC_STATS);
    }

    private int read(int directory, long path, int flags, int mask) {
        return FileCalls.result(FileCalls.statx(directory, path, flags, mask | MOUNT, memory.address()));
    }

    public int mask() {
        return bytes.getInt(0);
    }

    public int blockSize() {
        return bytes.getInt(4);
    }

    public long attributes() {
        return bytes.getLong(8);
    }

    public int links() {
        return bytes.getInt(16);
    }

    public int uid() {
        return bytes.getInt(20);
    }

    public int gid() {
        return bytes.getInt(24);
    }

    /** Type and permissions. */
    public int mode() {
        return bytes.getShort(28) & 0xffff;
    }

    /** One of the S_IF constants. */
    public int type() {
        return mode() & S_IFMT;
    }

    public long inode() {
        return bytes.getLong(32);
    }

    public long size() {
        return bytes.getLong(40);
    }

    /** Of 512 bytes each. */
    public long blocks() {
        return bytes.getLong(48);
    }

    public long attributesMask() {
        return bytes.getLong(56);
    }

    public long accessSeconds() {
        return bytes.getLong(64);
    }

    public int accessNanos() {
        return bytes.getInt(72);
    }

    public long birthSeconds() {
        return bytes.getLong(80);
    }

    public int birthNanos() {
        return bytes.getInt(88);
    }

    public long changeSeconds() {
        return bytes.getLong(96);
    }

    public int changeNanos() {
        return bytes.getInt(104);
    }

    public long modifySeconds() {
        return bytes.getLong(112);
    }

    public int modifyNanos() {
        return bytes.getInt(120);
    }

    /** Major number of the device that a device node stands for. */
    public int rdevMajor() {
        return bytes.getInt(128);
    }

    public int rdevMinor() {
        return bytes.getInt(132);
    }

    /** The file system's device, major in the upper half. */
    public long device() {
        return (long) bytes.getInt(136) << 32 | bytes.getInt(140) & 0xffff_ffffL;
    }

    /** Which mount it was reached by, 0 when the kernel does not say. */
    public long mountId() {
        return (mask() & MOUNT) != 0 ? bytes.getLong(144) : 0;
    }
}
