package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/**
 * Names for the process's own descriptors, {@code /proc/self/fd/N}: how a file behind an O_PATH descriptor is opened or named
 * where a system call takes no descriptor. One thread at a time.
 */
public final class ProcFd {
    private static final byte[] PREFIX = {'/', 'p', 'r', 'o', 'c', '/', 's', 'e', 'l', 'f', '/', 'f', 'd', '/'};
    private static final int DIGITS = 11;

    /** Open for the life of the process. */
    private static final class Directory {
        static final Fd FD = open();

        private static Fd open() {
            try {
                return FileIo.open("/proc/self/fd", DirectoryIo.O_PATH | FileIo.O_DIRECTORY, 0);
            } catch (ErrnoException e) {
                throw new IllegalStateException("no /proc: " + e.getMessage(), e);
            }
        }
    }

    private final NativeBuffer memory = NativeBuffer.allocate(PREFIX.length + DIGITS + 1L);
    private final ByteBuffer bytes = memory.buffer();

    public ProcFd() {
        bytes.put(0, PREFIX);
    }

    /** Opens what is behind {@code fd} anew. The caller knows its type: a device or a FIFO would act on being opened. */
    public int reopen(int fd, int flags) {
        return FileCalls.result(FileCalls.openat(directory(), name(fd), flags | FileIo.O_CLOEXEC, 0));
    }

    int directory() {
        return Directory.FD.value();
    }

    /** Relative to {@link #directory}; valid until the next call. */
    long name(int fd) {
        return path(fd) + PREFIX.length;
    }

    /** Absolute; valid until the next call. */
    long path(int fd) {
        int digits = 1;
        for (int rest = fd / 10; rest > 0; rest /= 10) {
            digits++;
        }
        int rest = fd;
        for (int at = PREFIX.length + digits - 1; at >= PREFIX.length; at--) {
            bytes.put(at, (byte) ('0' + rest % 10));
            rest /= 10;
        }
        bytes.put(PREFIX.length + digits, (byte) 0);
        return memory.address();
    }
}
