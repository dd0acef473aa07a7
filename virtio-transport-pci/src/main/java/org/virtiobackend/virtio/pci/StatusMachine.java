package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.DeviceStatus.*;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * The device status field (virtio 1.4 2.1): which bits a driver can set when. Bits only come, one after the other in
 * the order of initialization (3.1.1); a bit that is not yet due is dropped, and nothing but a reset takes one away, except that
 * SUSPEND and DRIVER_OK replace each other (3.4).
 *
 * <p>Control thread; {@link #needsReset} and {@link #value} come from any.
 */
final class StatusMachine {
    /** What setting a bit leads to. */
    interface Steps {
        /** FEATURES_OK: whether the features will do. */
        boolean settleFeatures();

        /** DRIVER_OK, which {@link #value} already shows: the device goes live. */
        void goLive();

        /** SUSPEND, on a live device: begins to suspend it, if that is negotiated; {@link #suspended} follows. */
        void suspend();

        /** DRIVER_OK on a suspended device: {@link #resumed} follows. */
        void resume();
    }

    private final Steps steps;
    private final AtomicInteger status = new AtomicInteger();

    StatusMachine(Steps steps) {
        this.steps = steps;
    }

    /** The field as the driver reads it. */
    int value() {
        return status.get();
    }

    boolean has(int bit) {
        return (status.get() & bit) != 0;
    }

    /**
     * A write other than 0, which is a reset and not handled here. Bits that the driver left out stay (virtio 1.4
     * 2.1.1).
     */
    void write(int value) {
        if ((value & FAILED) != 0) {
            set(FAILED);
        }
        if (has(FAILED) || has(DEVICE_NEEDS_RESET)) {
            return;
        }
        if (has(SUSPEND)) {
            if ((value & DRIVER_OK) != 0) {
                steps.resume();
            }
            return;
        }
        if ((value & SUSPEND) != 0 && has(DRIVER_OK)) { // virtio 1.4 3.4.2: not before initialization is complete
            steps.suspend();
            return;
        }
        if ((value & ACKNOWLEDGE) != 0) {
            set(ACKNOWLEDGE);
        }
        if ((value & DRIVER) != 0 && has(ACKNOWLEDGE)) {
            set(DRIVER);
        }
        if ((value & FEATURES_OK) != 0 && has(DRIVER) && !has(FEATURES_OK) && steps.settleFeatures()) {
            set(FEATURES_OK);
        }
        if ((value & DRIVER_OK) != 0 && has(FEATURES_OK) && !has(DRIVER_OK)) {
            set(DRIVER_OK);
            steps.goLive();
        }
    }

    /** Whether the queues are the device's: DRIVER_OK was set, and a suspension only hides it. */
    boolean isLive() {
        return (status.get() & (DRIVER_OK | SUSPEND)) != 0;
    }

    /** The device has come to rest. */
    void suspended() {
        status.updateAndGet(old -> old & ~DRIVER_OK | SUSPEND);
    }

    /** The device runs again. */
    void resumed() {
        status.updateAndGet(old -> old & ~SUSPEND | DRIVER_OK);
    }

    /**
     * The device cannot go on. Any thread.
     *
     * @return true the first time since the last reset
     */
    boolean needsReset() {
        return (set(DEVICE_NEEDS_RESET) & DEVICE_NEEDS_RESET) == 0;
    }

    void reset() {
        status.set(0);
    }

    private int set(int bit) {
        int old;
        do {
            old = status.get();
        } while (!status.compareAndSet(old, old | bit));
        return old;
    }
}
