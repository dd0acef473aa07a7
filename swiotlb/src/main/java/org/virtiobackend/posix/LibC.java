package org.virtiobackend.posix;

import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import java.util.Map;

/**
 * Direct-mapped C library calls: primitives only, so that no call allocates.
 *
 * <p>Every method returns what the C function returns; the error of a failed call is {@link Native#getLastError()} on the same
 * thread. Pointers and sizes are {@code long}. Only this package calls it.
 */
final class LibC {
    static {
        Native.register(LibC.class, NativeLibrary.getInstance("c", Map.of(Library.OPTION_STRING_ENCODING, "UTF-8")));
    }

    private LibC() {}

    static native int abs(int value);

    static native int open(String path, int flags, int mode);

    static native int close(int fd);

    static native int dup3(int from, int to, int flags);

    static native int fcntl(int fd, int command, long argument);

    static native int ioctl(int fd, long request, long argument);

    static native int memfd_create(String name, int flags);

    static native int ftruncate(int fd, long length);

    static native int fallocate(int fd, int mode, long offset, long length);

    static native int fsync(int fd);

    static native int fdatasync(int fd);

    static native long lseek(int fd, long offset, int whence);

    static native long read(int fd, long buffer, long count);

    static native long write(int fd, long buffer, long count);

    static native long pread(int fd, long buffer, long count, long offset);

    static native long pwrite(int fd, long buffer, long count, long offset);

    static native long readv(int fd, long iov, int count);

    static native long writev(int fd, long iov, int count);

    static native long preadv2(int fd, long iov, int count, long offset, int flags);

    static native long pwritev2(int fd, long iov, int count, long offset, int flags);

    static native long mmap(long address, long length, int protection, int flags, int fd, long offset);

    static native int munmap(long address, long length);

    static native int madvise(long address, long length, int advice);

    static native int eventfd(int initial, int flags);

    static native int poll(long fds, long count, int timeoutMillis);

    static native int ppoll(long fds, long count, long timeout, long signalMask);

    static native int prctl(int option, long value, long a3, long a4, long a5);

    static native int socket(int domain, int type, int protocol);

    static native int bind(int fd, long address, int length);

    static native int listen(int fd, int backlog);

    static native int accept4(int fd, long address, long length, int flags);

    static native int connect(int fd, long address, int length);

    static native int shutdown(int fd, int how);

    static native long sendmsg(int fd, long message, int flags);

    static native long recvmsg(int fd, long message, int flags);

    static native int getsockopt(int fd, int level, int option, long value, long length);

    static native int setsockopt(int fd, int level, int option, long value, int length);

    static native int chmod(String path, int mode);

    static native int fchmod(int fd, int mode);

    static native int kill(int pid, int signal);
}
