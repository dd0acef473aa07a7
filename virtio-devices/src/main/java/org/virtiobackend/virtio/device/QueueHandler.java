package org.virtiobackend.virtio.device;

import java.io.IOException;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Serves one queue: the class that the author of a device thinks about. Runs on the worker that owns the queue, or see {@link #isPrompt}. */
@FunctionalInterface
public interface QueueHandler {
    /** The longest nap of a worker whose handlers do not say otherwise, ns. */
    long NAP_NANOS = 200_000;

    /**
     * Polls and serves at most {@code budget} chains. Each is completed now or later, by {@code chain.complete}; no chain is held
     * while waiting for the outside world. The caller publishes and notifies.
     *
     * @return chains taken plus other work done; 0 means idle
     * @throws VirtqueueException from the queue: the device needs a reset
     * @throws IOException the backend is beyond use: the device needs a reset
     */
    int drain(Virtqueue queue, int budget) throws VirtqueueException, IOException;

    /**
     * Whether buffers that the driver makes available from now on would give the handler something to do; asked before its worker
     * sleeps. With false the driver is not asked for notifications: the handler has buffers and waits for a {@link WakeUp}.
     */
    default boolean wantsKicks() {
        return true;
    }

    /**
     * Whether all buffers that there were, up to a {@code poll} that found none, are too few: given back, they are of no use until the
     * driver adds others. Asked with {@link #wantsKicks}.
     */
    default boolean needsMore() {
        return false;
    }

    /**
     * Whether buffers are looked at only after the driver's notification of them, which arrives behind all register writes that the driver
     * made before it. For commands about the device itself: a worker that polls sees a command before the transport has executed
     * such a write, the enabling of another queue for instance.
     */
    default boolean awaitsNotification() {
        return false;
    }

    /**
     * The memory of the queue is to be let go of, and chains are still out: those that wait for the outside are to be completed now.
     * Called again and again until all are back; the others come by themselves.
     */
    default void letGo() {}

    /** The queue was reset and is enabled again. Called by the device's control side while nobody runs the handler. */
    default void restarted() {}

    /**
     * Whether {@link #drain} never waits for anything, so that it may also run on the thread that receives the driver's notifications,
     * while its worker sleeps. Never two threads at once. A {@link WakeUp} that is armed there is for the worker to see.
     */
    default boolean isPrompt() {
        return false;
    }

    /**
     * How long the worker may sleep at a time with the driver's notifications off, ns, while each time several chains come. Longer
     * pays where they do not come in answer to those before; a worker of several queues keeps to the shortest. Decision 0012.
     */
    default long longestNapNanos() {
        return NAP_NANOS;
    }

    /**
     * Whether the driver has nothing to do after a completed chain but to take its memory back, so that it may be told a little later.
     * Linux does that anyway whenever it makes another chain available, and then wants no notification of it.
     */
    default boolean mayNotifyLate() {
        return false;
    }
}
