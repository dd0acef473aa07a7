package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** The driver's notifications of one queue: whether it is asked for them, and whether one has come. Belongs to whose turn it is. */
final class Kicks {
    private final QueueHandler handler;
    /** See {@link QueueHandler#awaitsNotification}. */
    private final boolean awaited;

    private Virtqueue queue;
    private boolean on = true;
    /** Set from any thread. */
    private volatile boolean pending = true;

    Kicks(QueueHandler handler) {
        this.handler = handler;
        this.awaited = handler.awaitsNotification();
    }

    void bind(Virtqueue newQueue) {
        queue = newQueue;
    }

    /** The queue is to be looked at; any thread. */
    void come() {
        if (!pending) {
            pending = true;
        }
    }

    void comeIf(boolean wanted) {
        if (wanted) {
            pending = true;
        }
    }

    /** Any thread. */
    boolean arePending() {
        return pending;
    }

    /** Whether the queue is looked at only after one. */
    boolean areNeeded() {
        return awaited || queue.isRemote();
    }

    /** The queue is about to be looked at. */
    void take() throws VirtqueueException {
        if (pending) {
            pending = false;
        }
        if (on && !areNeeded()) {
            on = false;
            queue.suppressKicks();
        }
    }

    /**
     * Asks for those that this queue is looked at after; the queue was looked at.
     *
     * @param foundWork whether anything was there: then there may be more
     * @param serving whether the queue is to be looked at again at all
     */
    void again(boolean foundWork, boolean serving) throws VirtqueueException {
        if (awaited) {
            // asked for before the driver hears of this batch: each later buffer comes with a notification
            comeIf(queue.enableKicks());
        } else if (queue.isRemote()) {
            // nobody looks again without a kick, also while the worker polls other queues
            comeIf(foundWork || serving && ask());
        }
    }

    /** Asks for the next one, before the worker sleeps, or when it has looked at a remote queue in vain; true when there is work after all. */
    boolean ask() throws VirtqueueException {
        if (awaited || !handler.wantsKicks()) {
            return false;
        }
        if (queue.isHeldBack()) {
            return false; // it goes on when a chain is done, not when one is added
        }
        on = true;
        boolean more = handler.needsMore() ? queue.enableKicksForMore() : queue.enableKicks();
        comeIf(more);
        return more;
    }
}
