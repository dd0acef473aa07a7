package org.virtiobackend.posix;

/**
 * An eventfd: a counter that one side adds to and the other side polls.
 *
 * <p>{@link #signal} may come from any thread. {@link #drain} belongs to one reader at a time.
 */
public final class EventFd implements AutoCloseable {
    private static final int EFD_CLOEXEC = 0x80000;
    private static final int EFD_NONBLOCK = 0x800;
    private static final NativeBuffer ONE = one();
    private static final int CURRENT_POSITION = -1;

    private final Fd fd;
    private final NativeBuffer count = NativeBuffer.allocate(8);
    private final IoVec into = new IoVec(1);

    private EventFd(Fd fd) {
        this.fd = fd;
        into.add(count.address(), 8);
    }

    public static EventFd create() throws ErrnoException {
        int raw = (int) ErrnoException.check(LibC.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "create eventfd");
        return new EventFd(Fd.adopt(raw));
    }

    /** Takes over a descriptor that came from a peer; it is closed with this object. */
    public static EventFd adopt(Fd fd) {
        return new EventFd(fd);
    }

    public Fd fd() {
        return fd;
    }

    /**
     * Adds 1. A closed or full eventfd swallows it: the peer is gone or already awake. No flag of a write keeps it from waiting for a
     * full one once a peer that shares the eventfd has cleared O_NONBLOCK.
     */
    public void signal() {
        LibC.write(fd.value(), ONE.address(), 8);
    }

    /** Takes the counter and returns it, 0 when nothing was signalled. Never waits, not even when a peer that shares it wants it so. */
    public long drain() {
        long done = LibC.preadv2(fd.value(), into.address(), 1, CURRENT_POSITION, FileIo.RWF_NOWAIT);
        if (done < 0 && Errno.last() == Errno.EOPNOTSUPP) {
            done = LibC.read(fd.value(), count.address(), 8); // before Linux 5.8
        }
        return done == 8 ? count.buffer().getLong(0) : 0;
    }

    /** Whether the counter is at its end, so that {@link #signal} has to wait if a peer has made it wait. */
    public boolean isFull() {
        Poller poller = new Poller(1);
        poller.add(fd, Poller.POLLOUT);
        try {
            return poller.poll(0) == 0;
        } catch (ErrnoException e) {
            return false;
        }
    }

    @Override
    public void close() {
        fd.close();
    }

    private static NativeBuffer one() {
        NativeBuffer buffer = NativeBuffer.allocate(8);
        buffer.buffer().putLong(0, 1);
        return buffer;
    }
}
