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
    private final EventFd eventFd;
    private final AtomicInteger holders = new AtomicInteger(1);

    CountedEventFd(EventFd eventFd) {
        this.eventFd = eventFd;
    }

    /** Adds 1 to it; false when it has been retired in favour of another. */
    boolean signal() {
        int count;
        do {
            count = holders.get();
            if (count == 0) {
                return false;
            }
        } while (!holders.compareAndSet(count, count + 1));
        eventFd.signal();
        release();
        return true;
    }

    /** Lets go of one count. */
    void release() {
        if (holders.decrementAndGet() == 0) {
            eventFd.close();
        }
    }
}
