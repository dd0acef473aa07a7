package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/**
 * Names in directories: everything relative to a directory's descriptor and of one component. Names are addresses of
 * NUL-terminated bytes. All answer a descriptor, a length or 0, or a negative error number.
 */
public final class DirectoryIo {
    public static final int O_PATH = 0x200000;
    public static final int O_APPEND = 0x400;
    public static final int O_NOATIME = 0x40000;
    public static final int O_NOFOLLOW = Architecture.O_NOFOLLOW;
    public static final int O_SYNC = 0x101000;
    public static final int O_TMPFILE = 0x400000 | FileIo.O_DIRECTORY;
    public static final int AT_REMOVEDIR = 0x200;

    private static final int SYS_OPENAT2 = 437;
    private static final long RESOLVE_NO_MAGICLINKS = 2;
    private static final long RESOLVE_NO_SYMLINKS = 4;
    private static final long RESOLVE_BENEATH = 8;
    private static final long HOW_BYTES = 24;
    private static final int AT_SYMLINK_FOLLOW = 0x400;
    private static final int AT_EMPTY_PATH = 0x1000;
    private static final int AT_EACCESS = 0x200;
    private static final int SEEK_SET = 0;
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final NativeBuffer DOT = text(".");
    private static final NativeBuffer EMPTY = text("");
    /** How every name is looked at: as it is, beneath its directory, wherever it leads. */
    private static final NativeBuffer PATH_HOW = how(O_PATH | O_NOFOLLOW | FileIo.O_CLOEXEC);

    private DirectoryIo() {}

    /** A descriptor that stands for an entry, a symbolic link itself too, and opens nothing. */
    public static int openPath(int directory, long name) {
        long fd = FileCalls.syscall(SYS_OPENAT2, directory, name, PATH_HOW.address(), HOW_BYTES, 0);
        return (int) FileCalls.result(fd);
    }

    /** Makes a regular file that was not there and opens it. */
    public static int create(int directory, long name, int flags, int mode) {
        int all = flags | FileIo.O_CREAT | FileIo.O_EXCL | O_NOFOLLOW | FileIo.O_CLOEXEC;
        return FileCalls.result(FileCalls.openat(directory, name, all, mode));
    }

    /** Makes a file without a name in a directory; {@code directory} may be an O_PATH descriptor. */
    public static int createUnnamed(int directory, int flags, int mode) {
        return FileCalls.result(FileCalls.openat(directory, DOT.address(), flags | O_TMPFILE | FileIo.O_CLOEXEC, mode));
    }

    /** Opens an O_PATH descriptor of a directory for reading its entries. */
    public static int openDirectory(int directory) {
        int flags = FileIo.O_RDONLY | FileIo.O_DIRECTORY | O_NOFOLLOW | FileIo.O_CLOEXEC;
        return FileCalls.result(FileCalls.openat(directory, DOT.address(), flags, 0));
    }

    public static int makeDirectory(int directory, long name, int mode) {
        return FileCalls.result(FileCalls.mkdirat(directory, name, mode));
    }

    /** @param device as makedev(3) encodes it */
    public static int makeNode(int directory, long name, int mode, long device) {
        return FileCalls.result(FileCalls.mknodat(directory, name, mode, device));
    }

    public static int makeSymlink(long target, int directory, long name) {
        return FileCalls.result(FileCalls.symlinkat(target, directory, name));
    }

    /** Gives the file behind an O_PATH descriptor another name. */
    public static int link(ProcFd proc, int file, int directory, long name) {
        return FileCalls.result(
                FileCalls.linkat(proc.directory(), proc.name(file), directory, name, AT_SYMLINK_FOLLOW));
    }

    /** @param flags 0 or {@link #AT_REMOVEDIR} */
    public static int remove(int directory, long name, int flags) {
        return FileCalls.result(FileCalls.unlinkat(directory, name, flags));
    }

    public static int rename(int from, long fromName, int to, long toName, int flags) {
        return FileCalls.result(FileCalls.renameat2(from, fromName, to, toName, flags));
    }

    /** The target of the symbolic link behind an O_PATH descriptor; returns its bytes, without a NUL. */
    public static int readLink(int link, long buffer, int size) {
        return (int) FileCalls.result(FileCalls.readlinkat(link, EMPTY.address(), buffer, size));
    }

    /** Reads entries as {@code struct linux_dirent64}; returns bytes, 0 at the end. */
    public static int readEntries(int fd, NativeBuffer buffer) {
        return (int) FileCalls.result(FileCalls.getdents64(fd, buffer.address(), buffer.size()));
    }

    /** Goes on reading entries at what {@code d_off} of one said, or at 0. */
    public static long seekEntries(int fd, long position) {
        return FileCalls.result(FileCalls.lseek(fd, position, SEEK_SET));
    }

    /** May the thread's file system identity do that to the file behind a descriptor? */
    public static int access(ProcFd proc, int file, int mask) {
        return FileCalls.result(FileCalls.faccessat(proc.directory(), proc.name(file), mask, AT_EACCESS));
    }

    /** Changes the owner; -1 leaves it as it is. */
    public static int changeOwner(int file, int uid, int gid) {
        return FileCalls.result(FileCalls.fchownat(file, EMPTY.address(), uid, gid, AT_EMPTY_PATH));
    }

    /** Changes the permissions of what is behind an O_PATH descriptor, which is no symbolic link. */
    public static int changeMode(ProcFd proc, int file, int mode) {
        return FileCalls.result(FileCalls.fchmodat(proc.directory(), proc.name(file), mode, 0));
    }

    /** @param times two {@code struct timespec} */
    public static int changeTimes(int file, NativeBuffer times) {
        return FileCalls.result(FileCalls.utimensat(file, EMPTY.address(), times.address(), AT_EMPTY_PATH));
    }

    /** The NUL-terminated bytes at an address, NUL included. */
    public static byte[] copyName(long name) {
        com.sun.jna.Pointer pointer = new com.sun.jna.Pointer(name);
        return pointer.getByteArray(0, (int) pointer.indexOf(0, (byte) 0) + 1);
    }

    /** Whether the NUL-terminated bytes at two addresses are the same; no system call. */
    public static boolean sameName(long one, long other) {
        return FileCalls.strcmp(one, other) == 0;
    }

    /** What closing {@code fd} would answer, which stays open: 0 or a negative error number, of delayed writes too. */
    public static int closeCopy(int fd) {
        int copy = FileCalls.result(FileCalls.fcntl(fd, F_DUPFD_CLOEXEC, 0));
        return copy < 0 ? copy : FileCalls.result(FileCalls.close(copy));
    }

    public static void close(int fd) {
        FileCalls.close(fd);
    }

    private static NativeBuffer how(long flags) {
        NativeBuffer how = NativeBuffer.allocate(HOW_BYTES);
        ByteBuffer fields = how.buffer();
        fields.putLong(0, flags);
        fields.putLong(8, 0);
        fields.putLong(16, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS);
        return how;
    }

    private static NativeBuffer text(String ascii) {
        NativeBuffer buffer = NativeBuffer.allocate(ascii.length() + 1L);
        for (int i = 0; i < ascii.length(); i++) {
            buffer.buffer().put(i, (byte) ascii.charAt(i));
        }
        return buffer;
    }
}
