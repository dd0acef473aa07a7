package org.virtiobackend.virtio.queue;

/**
 * The device side of one live virtqueue, split or packed. Its registers can no longer change; exactly one thread touches it.
 *
 * <p>The driver that shares the ring is hostile until proven otherwise: every field is read once, and a broken ring throws
 * {@link VirtqueueException}, after which the device needs a reset.
 */
public interface Virtqueue {
    /** Index of the queue in its device. */
    int index();

    /** Entries of the ring. */
    int size();

    /**
     * Takes the next available chain, whole and mapped.
     *
     * @return null when nothing is available; never a partly valid chain
     * @throws VirtqueueException the ring or the chain breaks a rule, or points at memory the device may not touch
     */
    DescriptorChain poll() throws VirtqueueException;

    /** Gives back the chain that {@link #poll} returned last, unused; the next poll returns it again. */
    void unpoll(DescriptorChain chain);

    /**
     * Returns a chain to the driver; it becomes visible with {@link #publishUsed}. The chain object must not be used afterwards.
     *
     * @param written bytes written to the device-writable part, from its start
     * @throws VirtqueueException the device cannot go on, or {@link VirtqueueException#isNotNow}: call again later
     */
    void addUsed(DescriptorChain chain, long written) throws VirtqueueException;

    /** Makes all chains added since the last call visible: one release store for the batch. */
    void publishUsed() throws VirtqueueException;

    /** Whether the driver wants a used buffer notification for what was published since it was last asked. */
    boolean driverWantsNotification() throws VirtqueueException;

    /** As {@link #driverWantsNotification}, but with true it counts as not asked. */
    boolean driverStillWantsNotification() throws VirtqueueException;

    /** Tells the driver that it need not notify: somebody is polling. */
    void suppressKicks() throws VirtqueueException;

    /**
     * Asks the driver for available buffer notifications.
     *
     * @return true when a chain was made available in the meantime: poll again instead of sleeping
     */
    boolean enableKicks() throws VirtqueueException;

    /**
     * As {@link #enableKicks}, for somebody who has given chains back because they are too few: asks for notifications of what comes
     * behind all that was there when {@link #poll} last found nothing.
     *
     * @return true when a chain was made available since then: poll again instead of sleeping
     */
    boolean enableKicksForMore() throws VirtqueueException;

    /** Whether {@link #poll} would find something; a cheap look at the ring for a polling worker. */
    boolean hasAvailable();

    /** Whether a look at the ring may cost a message, so that polling it makes no sense. */
    boolean isRemote();

    /** Chains polled and not yet added as used. */
    int inFlight();

    /**
     * Attaches the ring areas again after the mappings behind the {@link org.virtiobackend.dma.DmaSpace} changed. No chain may be
     * in flight but those that {@link #addUsed} could not take yet.
     *
     * @return false when an area is not mapped now: the queue is idle until the next call
     */
    boolean reattach();

    /**
     * Whether the last {@link #poll} took nothing because chains in flight hold all the copies of memory behind messages that a queue may
     * have; there may be more once one of them is done.
     */
    boolean isHeldBack();

    /** Whether chains in flight hold copies of memory behind messages: giving them back may take a message. */
    boolean holdsCopies();

    /** Whether the memory that this queue can reach is all there; slow, see {@link org.virtiobackend.dma.DmaSpace#isIntact}. */
    boolean memoryIsIntact();
}
