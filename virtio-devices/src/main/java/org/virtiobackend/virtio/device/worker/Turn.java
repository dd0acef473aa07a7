package org.virtiobackend.virtio.device.worker;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;

/**
 * Who may touch a worker's queues: its own thread, or for a moment the one that borrows from it while it sleeps. What either has
 * written is visible to the next.
 */
final class Turn {
    private static final int WORKER = 0;
    /** The worker waits for a short time and then looks by itself. */
    private static final int NAPPING = 1;
    /** The worker waits until it is woken. */
    private static final int ASLEEP = 2;

    private static final int LENT = 3;
    /** Lent, and the worker waits for the end of that. */
    private static final int WANTED = 4;

    private final AtomicInteger state = new AtomicInteger(WORKER);

    // ---- the worker

    void nap() {
        state.set(NAPPING);
    }

    void sleep() {
        state.set(ASLEEP);
    }

    /** Ends a nap or a sleep; waits for a borrower to finish. */
    void take() {
        while (true) {
            int now = state.get();
            if (now == LENT) {
                state.compareAndSet(LENT, WANTED);
            } else if (now == WANTED) {
                LockSupport.park(this);
            } else if (state.compareAndSet(now, WORKER)) {
                return;
            }
        }
    }

    // ---- any thread

    /** Whether the worker has to be woken to notice something. */
    boolean isAway() {
        return state.get() != WORKER;
    }

    /** Whether the worker has to be woken to notice a driver's notification, which it also finds at the end of a nap. */
    boolean isDeaf() {
        return state.get() > NAPPING;
    }

    boolean isAsleep() {
        return state.get() == ASLEEP;
    }

    /** Takes the turn from a worker that sleeps; false when it does not. */
    boolean borrow() {
        return state.compareAndSet(ASLEEP, LENT);
    }

    /** Ends what {@link #borrow} began. */
    void giveBack(Thread worker) {
        if (state.getAndSet(ASLEEP) == WANTED) {
            LockSupport.unpark(worker);
        }
    }
}
