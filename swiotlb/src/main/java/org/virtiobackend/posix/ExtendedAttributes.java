package org.virtiobackend.posix;

/**
 * Extended attributes of what is behind an O_PATH descriptor. Names are addresses of NUL-terminated bytes. All answer a negative
 * error number on failure.
 */
public final class ExtendedAttributes {
    private ExtendedAttributes() {}

    /** Returns the bytes of the value; with a {@code size} of 0 only how many there are. */
    public static int get(ProcFd proc, int fd, long name, long value, int size) {
        return (int) FileCalls.result(FileCalls.getxattr(proc.path(fd), name, value, size));
    }

    /** Names one after the other, each with its NUL; with a {@code size} of 0 only how many bytes they take. */
    public static int list(ProcFd proc, int fd, long list, int size) {
        return (int) FileCalls.result(FileCalls.listxattr(proc.path(fd), list, size));
    }

    /** @param flags 0, XATTR_CREATE 1 or XATTR_REPLACE 2 */
    public static int set(ProcFd proc, int fd, long name, long value, int size, int flags) {
        return FileCalls.result(FileCalls.setxattr(proc.path(fd), name, value, size, flags));
    }

    public static int remove(ProcFd proc, int fd, long name) {
        return FileCalls.result(FileCalls.removexattr(proc.path(fd), name));
    }
}
