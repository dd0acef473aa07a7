package org.virtiobackend.virtio.device.worker;

import java.util.function.BooleanSupplier;

/** Where control waits until workers have met what it asked for. */
final class Rendezvous {
    private static final long RECHECK_MILLIS = 100;

    private volatile QuiesceWaiter waiter;

    /** How control waits when it is also the one that workers wait for; null: it just waits. */
    void setWaiter(QuiesceWaiter newWaiter) {
        waiter = newWaiter;
    }

    /** A worker has met a request. */
    synchronized void progress() {
        notifyAll();
    }

    /** Returns when {@code done} is true; an interrupt is kept for afterwards. */
    void await(BooleanSupplier done) {
        QuiesceWaiter special = waiter;
        while (special != null && !done.getAsBoolean()) {
            special.await(done);
        }
        boolean interrupted = false;
        synchronized (this) {
            while (!done.getAsBoolean()) {
                try {
                    wait(RECHECK_MILLIS);
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
