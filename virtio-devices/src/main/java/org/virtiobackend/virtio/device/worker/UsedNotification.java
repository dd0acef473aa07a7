package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Tells the driver of used buffers: at once, or as late as coalescing allows.
 *
 * <p>Belongs to whoever serves the queue, but for {@link #coalesce}, which any thread may call.
 */
final class UsedNotification {
    private static final long NANOS_PER_MICRO = 1000;

    private final int index;
    private final QueueStatistics statistics;
    /** Buffers added since the last publication. */
    private int added;
    /** Published buffers of which the driver has not been told. */
    private long held;

    private long heldSince;
    private volatile Coalescing coalescing = Coalescing.NONE;

    UsedNotification(int index, QueueStatistics statistics) {
        this.index = index;
        this.statistics = statistics;
    }

    void coalesce(Coalescing wanted) {
        coalescing = wanted;
    }

    Coalescing coalescing() {
        return coalescing;
    }

    /** A used buffer is in the ring, not visible yet. */
    void bufferAdded() {
        added++;
    }

    /** What was added is visible now. */
    void published() {
        if (held == 0 && coalescing.isOn()) {
            heldSince = System.nanoTime();
        }
        held += added;
        added = 0;
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
        held = 0;
        if (wanted) {
            statistics.notifications++;
            events.usedBufferNotification(index);
        }
    }

    private boolean isHeldBack() {
        Coalescing present = coalescing;
        return present.isOn()
                && held < present.maxBuffers()
                && System.nanoTime() - heldSince < present.maxMicros() * NANOS_PER_MICRO;
    }

    /** How long until a notification that is held back is due, ns; at most this. */
    long dueNanos(long atMost) {
        if (held == 0) {
            return atMost;
        }
        return Math.min(atMost, heldSince + coalescing.maxMicros() * NANOS_PER_MICRO - System.nanoTime());
    }
}
