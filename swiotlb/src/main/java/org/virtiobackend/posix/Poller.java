package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/** poll(2) over a reusable set of descriptors. One thread at a time. */
public final class Poller {
    public static final int POLLIN = 1;
    public static final int POLLOUT = 4;
    public static final int POLLERR = 8;
    public static final int POLLHUP = 16;

    private static final int ENTRY = 8;
    private static final long NANOS_PER_SECOND = 1_000_000_000L;

    private final NativeBuffer limit = NativeBuffer.allocate(16);
    private NativeBuffer array;
    private int count;

    public Poller(int capacity) {
        array = NativeBuffer.allocate((long) Math.max(1, capacity) * ENTRY);
    }

    public void clear() {
        count = 0;
    }

    /** Adds a descriptor and returns its index for {@link #events}. */
    public int add(Fd fd, int events) {
        if ((count + 1) * ENTRY > array.size()) {
            grow();
        }
        ByteBuffer entries = array.buffer();
        entries.putInt(count * ENTRY, fd.value());
        entries.putShort(count * ENTRY + 4, (short) events);
        entries.putShort(count * ENTRY + 6, (short) 0);
        return count++;
    }

    /**
     * Waits until something is ready.
     *
     * @param timeoutMillis -1 for ever, 0 not at all
     * @return how many are ready; 0 also when a signal came in between
     */
    public int poll(int timeoutMillis) throws ErrnoException {
        return result(LibC.poll(array.address(), count, timeoutMillis));
    }

    /** As {@link #poll}, with a time limit in nanoseconds, 0 or more. */
    public int pollNanos(long timeout) throws ErrnoException {
        limit.buffer().putLong(0, timeout / NANOS_PER_SECOND).putLong(8, timeout % NANOS_PER_SECOND);
        return result(LibC.ppoll(array.address(), count, limit.address(), 0));
    }

    private static int result(int ready) throws ErrnoException {
        if (ready < 0) {
            int errno = Errno.last();
            if (errno != Errno.EINTR) {
                throw new ErrnoException("poll", errno);
            }
            return 0;
        }
        return ready;
    }

    /** What happened on the descriptor with this index: POLLIN and the like, 0 for nothing. */
    public int events(int index) {
        return array.buffer().getShort(index * ENTRY + 6);
    }

    private void grow() {
        NativeBuffer larger = NativeBuffer.allocate(array.size() * 2L);
        larger.buffer().put(0, array.buffer(), 0, array.size());
        array = larger;
    }
}
