package org.virtiobackend.posix;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * A file descriptor with one owner. Closing is idempotent and may come from any thread; whoever holds the object closes it unless
 * a method that takes it says that it takes it over.
 */
public final class Fd implements AutoCloseable {
    private static final int F_DUPFD_CLOEXEC = 1030;
    private static final int F_GETFL = 3;
    private static final int F_SETFL = 4;
    private static final int O_NONBLOCK = 0x800;
    private static final int O_CLOEXEC = 0x80000;

    private final AtomicInteger value;

    private Fd(int value) {
        this.value = new AtomicInteger(value);
    }

    /** Takes over a raw descriptor, for example one inherited from the parent process or received over a socket. */
    public static Fd adopt(int raw) {
        if (raw < 0) {
            throw new IllegalArgumentException("not a file descriptor: " + raw);
        }
        return new Fd(raw);
    }

    /** The number to hand to system calls; -1 once closed. */
    public int value() {
        return value.get();
    }

    public boolean isOpen() {
        return value.get() >= 0;
    }

    /** A second descriptor of the same open file, with an owner of its own. */
    public Fd duplicate() throws ErrnoException {
        return new Fd((int) ErrnoException.check(LibC.fcntl(value(), F_DUPFD_CLOEXEC, 0), "duplicate descriptor"));
    }

    /**
     * Makes this number mean the open file of {@code other}, which is closed; whoever uses it at the moment uses either file. Not to be
     * called together with {@link #close}.
     */
    public void replaceWith(Fd other) throws ErrnoException {
        ErrnoException.check(LibC.dup3(other.value(), value(), O_CLOEXEC), "replace descriptor");
        other.close();
    }

    /** Hands the number over: it is the caller's to close, and this object is closed. */
    public int release() {
        return value.getAndSet(-1);
    }

    /** Makes reads and writes return EAGAIN instead of waiting. */
    public void setNonBlocking() throws ErrnoException {
        long flags = ErrnoException.check(LibC.fcntl(value(), F_GETFL, 0), "fcntl");
        ErrnoException.check(LibC.fcntl(value(), F_SETFL, flags | O_NONBLOCK), "fcntl");
    }

    @Override
    public void close() {
        int raw = value.getAndSet(-1);
        if (raw >= 0) {
            LibC.close(raw);
        }
    }

    @Override
    public String toString() {
        return "fd " + value.get();
    }
}
