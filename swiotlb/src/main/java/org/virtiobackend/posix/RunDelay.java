package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/** How long the thread that made this has waited for a processor although it could run. One thread. */
public final class RunDelay implements AutoCloseable {
    private static final int TEXT_BYTES = 96;

    private final NativeBuffer text = NativeBuffer.allocate(TEXT_BYTES);
    /** Null when the kernel does not count. */
    private final Fd fd;

    /** Of the calling thread. */
    public RunDelay() {
        Fd opened = null;
        try {
            opened = FileIo.open("/proc/thread-self/schedstat", FileIo.O_RDONLY, 0);
        } catch (ErrnoException e) {
            // a kernel without, or no /proc: as if processors were always free
        }
        fd = opened;
    }

    /** Nanoseconds since the thread began, 0 when unknown. */
    public long nanos() {
        return fd == null ? 0 : second(text.buffer(), (int) LibC.pread(fd.value(), text.address(), TEXT_BYTES, 0));
    }

    /** The second of some decimal numbers that are separated by spaces. */
    private static long second(ByteBuffer digits, int length) {
        long value = 0;
        int spaces = 0;
        for (int i = 0; i < length && spaces < 2; i++) {
            byte c = digits.get(i);
            if (c == ' ') {
                spaces++;
            } else if (spaces == 1) {
                value = value * 10 + c - '0';
            }
        }
        return value;
    }

    @Override
    public void close() {
        if (fd != null) {
            fd.close();
        }
    }
}
