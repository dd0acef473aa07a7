package org.virtiobackend.virtio.device.worker;

import java.util.ArrayDeque;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Gives the finished chains of a queue back to the driver, shows it a batch at a time and tells it. What lies in memory behind messages
 * that cannot be reached now is kept and given back later. Belongs to whoever serves the queue.
 */
final class UsedBuffers {
    private final QueueStatistics statistics;
    private final UsedNotification notification;
    private final DeviceEvents events;
    private Virtqueue queue;
    /** Whether the ring is there. */
    private boolean attached = true;
    /** Chains in the ring that the driver cannot see yet. */
    private boolean unshown;
    /** It was tried to show them, and nobody knows whether they have arrived. */
    private boolean owed;
    /** Finished chains whose memory could not be reached, oldest first; null: never any. */
    private ArrayDeque<DescriptorChain> kept;
    /** Whether there are any; whoever serves the queue writes it. */
    private volatile boolean keeping;

    UsedBuffers(QueueStatistics statistics, UsedNotification notification, DeviceEvents events) {
        this.statistics = statistics;
        this.notification = notification;
        this.events = events;
    }

    /** @param mayNotifyLate see {@link org.virtiobackend.virtio.device.QueueHandler#mayNotifyLate} */
    void bind(Virtqueue newQueue, boolean mayNotifyLate) {
        queue = newQueue;
        notification.bind(newQueue.size(), mayNotifyLate);
    }

    /** Whether the ring is there. */
    boolean isAttached() {
        return attached;
    }

    /** Whether finished chains wait for their memory; any thread. */
    boolean isKeeping() {
        return keeping;
    }

    /** @throws VirtqueueException the device cannot go on */
    void add(DescriptorChain chain) throws VirtqueueException {
        if (!attached) {
            keep(chain);
            return;
        }
        int descriptors = chain.descriptorCount();
        long read = chain.readable().segments().totalBytes();
        long written = chain.written();
        try {
            queue.addUsed(chain, written);
        } catch (VirtqueueException e) {
            if (!e.isNotNow()) {
                throw e;
            }
            keep(chain);
            return;
        }
        unshown = true;
        notification.bufferAdded(descriptors, read);
        statistics.requests++;
        statistics.bytesRead += read;
        statistics.bytesWritten += written;
    }

    private void keep(DescriptorChain chain) {
        if (kept == null) {
            kept = new ArrayDeque<>();
        }
        kept.add(chain);
        keeping = true;
    }

    /** Tries what was kept once more; a chain whose memory is still gone stays until some comes. */
    int addKept() throws VirtqueueException {
        int count = kept == null ? 0 : kept.size();
        for (int i = 0; i < count; i++) {
            add(kept.remove());
        }
        if (count > 0) {
            keeping = !kept.isEmpty();
        }
        return count;
    }

    /**
     * Shows the driver what was added and tells it when that is due; returns an amount of work.
     *
     * @param looksAgain whether the queue is looked at again soon enough for what is told late
     */
    int show(boolean looksAgain) throws VirtqueueException {
        if (!attached) {
            return 0;
        }
        boolean batch = unshown;
        if (batch) {
            if (notification.isLate()) {
                notification.reconsider(queue);
            }
            owed = true;
            queue.publishUsed();
            owed = false;
            unshown = false;
            notification.published(looksAgain && !queue.isRemote());
        }
        if (!notification.isDue()) {
            return 0;
        }
        notification.send(queue, events);
        return batch ? 0 : 1;
    }

    /** Shows what could not be shown before: if it has arrived the driver may reuse the places, and then those of more would be too many. */
    int showOwed() throws VirtqueueException {
        return owed ? show(true) : 0;
    }

    /** Shows and tells all that is held back, as far as memory can be reached now. */
    void showAll() throws VirtqueueException {
        try {
            show(true);
            if (attached && notification.isHeld()) {
                notification.send(queue, events);
            }
        } catch (VirtqueueException e) {
            if (!e.isNotNow()) {
                throw e;
            }
        }
    }

    /** The queue looked at the mappings again. */
    void reattached(boolean isThere) throws VirtqueueException {
        attached = isThere;
        if (unshown && attached && !queue.isRemote()) {
            throw new VirtqueueException("ring turned from messages to a mapping with used buffers on their way");
        }
    }
}
