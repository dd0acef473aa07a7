package org.virtiobackend.posix;

import com.sun.jna.Native;
import java.util.Map;

/** Linux error numbers (positive, as in {@code errno.h}) that this project names. */
public final class Errno {
    public static final int EPERM = 1;
    public static final int ENOENT = 2;
    public static final int EINTR = 4;
    public static final int EIO = 5;
    public static final int ENXIO = 6;
    public static final int E2BIG = 7;
    public static final int EBADF = 9;
    public static final int EAGAIN = 11;
    public static final int ENOMEM = 12;
    public static final int EACCES = 13;
    public static final int EFAULT = 14;
    public static final int EBUSY = 16;
    public static final int EEXIST = 17;
    public static final int ENODEV = 19;
    public static final int ENOTDIR = 20;
    public static final int EISDIR = 21;
    public static final int EINVAL = 22;
    public static final int ENFILE = 23;
    public static final int EMFILE = 24;
    public static final int ENOTTY = 25;
    public static final int EFBIG = 27;
    public static final int ENOSPC = 28;
    public static final int ESPIPE = 29;
    public static final int EROFS = 30;
    public static final int EPIPE = 32;
    public static final int ERANGE = 34;
    public static final int EDEADLK = 35;
    public static final int ENAMETOOLONG = 36;
    public static final int ENOLCK = 37;
    public static final int ENOSYS = 38;
    public static final int ENOTEMPTY = 39;
    public static final int ELOOP = 40;
    public static final int ENODATA = 61;
    public static final int EPROTO = 71;
    /** A descriptor in the wrong state: of a tap that has no interface. */
    public static final int EBADFD = 77;

    public static final int EMSGSIZE = 90;
    public static final int EOPNOTSUPP = 95;
    public static final int EADDRINUSE = 98;
    public static final int ECONNRESET = 104;
    public static final int ENOTCONN = 107;
    public static final int ETIMEDOUT = 110;
    public static final int ECONNREFUSED = 111;
    public static final int ESTALE = 116;
    public static final int EDQUOT = 122;
    public static final int ECANCELED = 125;

    private static final Map<Integer, String> TEXTS = Map.ofEntries(
            Map.entry(EPERM, "operation not permitted"),
            Map.entry(ENOENT, "no such file or directory"),
            Map.entry(EIO, "input/output error"),
            Map.entry(EBADF, "bad file descriptor"),
            Map.entry(EBADFD, "file descriptor in bad state"),
            Map.entry(EAGAIN, "resource temporarily unavailable"),
            Map.entry(ENOMEM, "out of memory"),
            Map.entry(EACCES, "permission denied"),
            Map.entry(EBUSY, "device or resource busy"),
            Map.entry(EEXIST, "file exists"),
            Map.entry(ENODEV, "no such device"),
            Map.entry(ENOTDIR, "not a directory"),
            Map.entry(EISDIR, "is a directory"),
            Map.entry(EINVAL, "invalid argument"),
            Map.entry(ENOTTY, "inappropriate ioctl for device"),
            Map.entry(EMFILE, "too many open files"),
            Map.entry(ENOSPC, "no space left on device"),
            Map.entry(EROFS, "read-only file system"),
            Map.entry(EPIPE, "broken pipe"),
            Map.entry(EDEADLK, "resource deadlock avoided"),
            Map.entry(ENAMETOOLONG, "file name too long"),
            Map.entry(ENOSYS, "function not implemented"),
            Map.entry(EOPNOTSUPP, "operation not supported"),
            Map.entry(EADDRINUSE, "address already in use"),
            Map.entry(ECONNRESET, "connection reset by peer"),
            Map.entry(ENOTCONN, "not connected"),
            Map.entry(ETIMEDOUT, "timed out"),
            Map.entry(ECONNREFUSED, "connection refused"));

    private Errno() {}

    /** The error of the last failed call of this thread. */
    static int last() {
        return Native.getLastError();
    }

    /** A short text for {@code errno}, for messages to people. */
    public static String text(int errno) {
        return TEXTS.getOrDefault(errno, "error " + errno);
    }
}
