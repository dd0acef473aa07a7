package org.virtiobackend.posix;

import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;

/**
 * Direct-mapped C library calls for file servers: primitives only, paths as addresses of NUL-terminated bytes, so that no call
 * allocates. Only this package calls it.
 */
final class FileCalls {
    static {
        Native.register(FileCalls.class, NativeLibrary.getInstance("c"));
    }

    private FileCalls() {}

    static native long syscall(long number, long a, long b, long c, long d, long e);

    static native int close(int fd);

    static native int strcmp(long one, long other);

    static native int openat(int directory, long path, int flags, int mode);

    static native int statx(int directory, long path, int flags, int mask, long buffer);

    static native int mkdirat(int directory, long path, int mode);

    static native int mknodat(int directory, long path, int mode, long device);

    static native int unlinkat(int directory, long path, int flags);

    static native int renameat2(int from, long fromPath, int to, long toPath, int flags);

    static native int linkat(int from, long fromPath, int to, long toPath, int flags);

    static native int symlinkat(long target, int directory, long path);

    static native long readlinkat(int directory, long path, long buffer, long size);

    static native int fchmodat(int directory, long path, int mode, int flags);

    static native int fchmod(int fd, int mode);

    static native int fchownat(int directory, long path, int uid, int gid, int flags);

    static native int utimensat(int directory, long path, long times, int flags);

    static native int ftruncate(int fd, long length);

    static native int faccessat(int directory, long path, int mode, int flags);

    static native int fstatfs(int fd, long buffer);

    static native int fsync(int fd);

    static native int fdatasync(int fd);

    static native int syncfs(int fd);

    static native long lseek(int fd, long offset, int whence);

    static native long getdents64(int fd, long buffer, long size);

    static native int fallocate(int fd, int mode, long offset, long length);

    static native long copy_file_range(int in, long offsetIn, int out, long offsetOut, long length, int flags);

    static native long getxattr(long path, long name, long value, long size);

    static native long listxattr(long path, long list, long size);

    static native int setxattr(long path, long name, long value, long size, int flags);

    static native int removexattr(long path, long name);

    static native int fcntl(int fd, int command, long argument);

    static native int flock(int fd, int operation);

    static native int ioctl(int fd, long request, long argument);

    static native int poll(long fds, long count, int timeoutMillis);

    static native int umask(int mask);

    static native int unshare(int flags);

    static native int setfsuid(int uid);

    static native int setfsgid(int gid);

    static native int geteuid();

    static native int capget(long header, long data);

    static native int capset(long header, long data);

    static native int prctl(int option, long a, long b, long c, long d);

    static native int getrlimit(int resource, long limit);

    static native int setrlimit(int resource, long limit);

    static native int fanotify_init(int flags, int eventFlags);

    static native int fanotify_mark(int fd, int flags, long mask, int directory, long path);

    static native long read(int fd, long buffer, long size);

    static native int name_to_handle_at(int directory, long path, long handle, long mountId, int flags);

    /** The result, or the negative error number of a call that failed. */
    static int result(int result) {
        return result < 0 ? -Native.getLastError() : result;
    }

    static long result(long result) {
        return result < 0 ? -Native.getLastError() : result;
    }
}
