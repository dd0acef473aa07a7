package org.virtiobackend.devices.fs.passthrough;

import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;

/**
 * Something that a driver names by a number it was given, and that closes when nobody needs it: the table holds one reference,
 * and each request one more while it uses it, so that a FORGET or RELEASE at the same time never closes it under its hands.
 */
abstract class Slot {
    private static final AtomicIntegerFieldUpdater<Slot> REFERENCES =
            AtomicIntegerFieldUpdater.newUpdater(Slot.class, "references");
    /** Nobody gets it until {@link #unfreeze}. */
    private static final int FROZEN = -1;

    private volatile int references = 1;
    private long id;

    /** What the driver knows it by: index below, generation above, so that a number of the past names nothing. */
    final long id() {
        return id;
    }

    final void setId(long newId) {
        id = newId;
    }

    /** False when it is closed already. */
    final boolean pin() {
        while (true) {
            int now = references;
            if (now == 0) {
                return false;
            }
            if (now == FROZEN) {
                Thread.onSpinWait();
            } else if (REFERENCES.compareAndSet(this, now, now + 1)) {
                return true;
            }
        }
    }

    final void unpin() {
        while (true) {
            int now = references;
            if (now == FROZEN) {
                Thread.onSpinWait();
            } else if (REFERENCES.compareAndSet(this, now, now - 1)) {
                if (now == 1) {
                    dispose();
                }
                return;
            }
        }
    }

    /** Keeps everybody away for a moment; false when somebody besides the table has it. */
    final boolean freeze() {
        return REFERENCES.compareAndSet(this, 1, FROZEN);
    }

    final void unfreeze() {
        references = 1;
    }

    /** Closes what it stands for; called once. */
    abstract void dispose();
}
