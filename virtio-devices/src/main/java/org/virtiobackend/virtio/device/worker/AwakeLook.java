package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.virtio.device.WakeUp;

/**
 * Looks now and then, without waiting, at the descriptors for which a handler waits: for a queue that is served after a notification only,
 * while its worker does not sleep. Belongs to the worker.
 */
final class AwakeLook {
    private static final long EVERY_NANOS = 20_000;

    private final WakeUp[] wakeOn;
    /** Null until something was armed. */
    private Poller poller;

    private long lookedAt = System.nanoTime();

    AwakeLook(WakeUp[] wakeOn) {
        this.wakeOn = wakeOn;
    }

    /** Whether something is ready, as far as it was looked. */
    boolean isReady() throws ErrnoException {
        if (!WakeUp.isAnyArmed(wakeOn)) {
            return false;
        }
        long now = System.nanoTime();
        if (now - lookedAt < EVERY_NANOS) {
            return false;
        }
        lookedAt = now;
        if (poller == null) {
            poller = new Poller(wakeOn.length);
        }
        poller.clear();
        for (WakeUp wakeUp : wakeOn) {
            if (wakeUp.isArmed()) {
                poller.add(wakeUp.fd(), wakeUp.events());
            }
        }
        return poller.poll(0) > 0;
    }
}
