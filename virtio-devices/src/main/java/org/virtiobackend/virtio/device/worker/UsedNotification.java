package org.virtiobackend.virtio.device.worker;

import java.util.function.LongSupplier;
import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Tells the driver of used buffers: at once, as late as coalescing allows, or, where it does not wait for them
 * ({@link org.virtiobackend.virtio.device.QueueHandler#mayNotifyLate}), when it has not noticed by itself. Decision 0014.
 *
 * <p>Belongs to whoever serves the queue, but for {@link #coalesce}, which any thread may call.
 */
final class UsedNotification {
    /** How late a driver may be told of buffers for which it does not wait: longer than a nap, so that it has a chance to notice. */
    static final long LATE_NANOS = 500_000;
    /** The same when they are so many that it may be waiting after all. */
    static final long MANY_LATE_NANOS = 50_000;

    /** Bytes in such buffers from which it is told at once: a few large ones may be all that it sends ahead. */
    private static final long LATE_BYTES = 16384;

    /** Times in a row that a driver had to be told after all, until it is told at once; and for how many publications then. */
    private static final int PATIENCE = 8;

    private static final int PAUSE = 64;
    private static final long NANOS_PER_MICRO = 1000;

    private final int index;
    private final QueueStatistics statistics;
    private final LongSupplier clock;
    /** Buffers added since the last publication, their descriptors and bytes. */
    private int added;

    private int addedDescriptors;
    private long addedBytes;
    /** The same of published buffers of which the driver has not been told. */
    private long held;

    private int heldDescriptors;
    private long heldBytes;
    private long heldSince;
    /** Entries of the ring: a driver whose descriptors are half used may be out of them soon, so it is told at once. */
    private int ringSize = Integer.MAX_VALUE;

    private boolean lateAllowed;
    /** What is held may be told late. */
    private boolean late;
    /** Times in a row that the driver had to be told in the end; then publications since, as well. */
    private int inVain;

    private volatile Coalescing coalescing = Coalescing.NONE;

    /** @param clock nanoseconds, as of System.nanoTime */
    UsedNotification(int index, QueueStatistics statistics, LongSupplier clock) {
        this.index = index;
        this.statistics = statistics;
        this.clock = clock;
    }

    void coalesce(Coalescing wanted) {
        coalescing = wanted;
    }

    Coalescing coalescing() {
        return coalescing;
    }

    /**
     * @param entries of the ring
     * @param mayBeLate whether its driver waits for no buffer unless the ring is full
     */
    void bind(int entries, boolean mayBeLate) {
        ringSize = entries;
        lateAllowed = mayBeLate;
    }

    /** A used buffer is in the ring, not visible yet. */
    void bufferAdded(int descriptors, long bytes) {
        added++;
        addedDescriptors += descriptors;
        addedBytes += bytes;
    }

    /**
     * What was added is visible now.
     *
     * @param looksAgain whether the worker looks soon enough for what is told late
     */
    void published(boolean looksAgain) {
        heldDescriptors += addedDescriptors;
        heldBytes += addedBytes;
        boolean isOn = coalescing.isOn();
        late = lateAllowed
                && !isOn
                && looksAgain
                && heldDescriptors < ringSize / 2
                && heldBytes < LATE_BYTES
                && isWorthWaiting();
        if (held == 0 && (isOn || late)) {
            heldSince = clock.getAsLong();
        }
        held += added;
        added = 0;
        addedDescriptors = 0;
        addedBytes = 0;
    }

    /** Whether the driver is to be told late. */
    boolean isLate() {
        return held > 0 && late;
    }

    /** Drops what is late if the driver has gone on meanwhile: then it has noticed by itself. */
    void reconsider(Virtqueue queue) throws VirtqueueException {
        if (!queue.driverStillWantsNotification()) {
            inVain = 0;
            forget();
        }
    }

    /** Whether the driver has to hear of published buffers now. */
    boolean isDue() {
        return held > 0 && !isHeldBack();
    }

    boolean isHeld() {
        return held > 0;
    }

    void send(Virtqueue queue, DeviceEvents events) throws VirtqueueException {
        boolean wanted = queue.driverWantsNotification();
        forget();
        if (late) {
            inVain = wanted ? inVain + 1 : 0;
        }
        late = false;
        if (wanted) {
            statistics.notifications++;
            events.usedBufferNotification(index);
        }
    }

    /** Not for a driver that only goes on once it is told; it is tried again from time to time. */
    private boolean isWorthWaiting() {
        if (inVain < PATIENCE) {
            return true;
        }
        inVain = inVain < PATIENCE + PAUSE ? inVain + 1 : PATIENCE - 1;
        return false;
    }

    private long lateNanos() {
        return heldDescriptors < ringSize / 8 ? LATE_NANOS : MANY_LATE_NANOS;
    }

    private void forget() {
        held = 0;
        heldDescriptors = 0;
        heldBytes = 0;
    }

    private boolean isHeldBack() {
        Coalescing present = coalescing;
        if (late) {
            return clock.getAsLong() - heldSince < lateNanos();
        }
        return present.isOn()
                && held < present.maxBuffers()
                && heldDescriptors < ringSize / 2 // virtio 1.4 5.1.9.5.10.6: more often than asked for
                && clock.getAsLong() - heldSince < present.maxMicros() * NANOS_PER_MICRO;
    }

    /** How long until a notification that is held back is due, ns; at most this. */
    long dueNanos(long atMost) {
        if (held == 0) {
            return atMost;
        }
        long delay = late ? lateNanos() : coalescing.maxMicros() * NANOS_PER_MICRO;
        return Math.min(atMost, heldSince + delay - clock.getAsLong());
    }
}
