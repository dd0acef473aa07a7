package org.virtiobackend.vfiouser.server;

import java.util.concurrent.atomic.AtomicInteger;
import org.virtiobackend.posix.EventFd;

/**
 * A client's eventfd that workers signal while the session's thread may replace it.
 *
 * <p>Counted: the slot that names it holds one count, and everybody who writes holds one while writing. The last to let go closes
 * the descriptor, so it is never written after its number was freed for something else.
 */
final class CountedEventFd {
    private static final int TRIES = 1000;

    private final EventFd eventFd;
    private final AtomicInteger holders = new AtomicInteger(1);
    /** Changes with each signal that has got through. */
    private final AtomicInteger signals = new AtomicInteger();

    /** What {@link #freeStuck} saw last. */
    private int seenSignals;

    private boolean seenSignalling;

    CountedEventFd(EventFd eventFd) {
        this.eventFd = eventFd;
    }

    /** Adds 1 to it; false when it has been retired in favour of another. */
    boolean signal() {
        if (!hold()) {
            return false;
        }
        eventFd.signal();
        signals.setOpaque(signals.getPlain() + 1);
        release();
        return true;
    }

    boolean isHeld() {
        return holders.get() > 0;
    }

    /**
     * Called again and again by one watching thread: frees who has not got through {@link #signal} since the last call, because the client
     * has filled the counter and lets nobody add to it without waiting (O_NONBLOCK belongs to all who share the eventfd).
     *
     * @param slots how many slots name it
     * @return whether somebody was stuck, so the client is not to be trusted
     */
    boolean freeStuck(int slots) {
        int now = signals.getOpaque();
        boolean signalling = holders.get() > slots;
        boolean stuck = signalling && seenSignalling && now == seenSignals;
        seenSignals = now;
        seenSignalling = signalling;
        if (!stuck || !hold()) {
            return false;
        }
        try {
            stuck = eventFd.isFull();
            // The client may fill it again before the other thread wakes up; the next call tries again.
            for (int i = 0; stuck && i < TRIES && signals.getOpaque() == now; i++) {
                eventFd.drain();
                Thread.yield();
            }
        } finally {
            release();
        }
        return stuck;
    }

    private boolean hold() {
        int count;
        do {
            count = holders.get();
            if (count == 0) {
                return false;
            }
        } while (!holders.compareAndSet(count, count + 1));
        return true;
    }

    /** Lets go of one count. */
    void release() {
        if (holders.decrementAndGet() == 0) {
            eventFd.close();
        }
    }
}
