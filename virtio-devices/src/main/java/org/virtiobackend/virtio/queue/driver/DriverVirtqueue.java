package org.virtiobackend.virtio.queue.driver;

import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** The driver side of one virtqueue, split or packed. One thread. */
public interface DriverVirtqueue {
    /** Entries of the ring. */
    int size();

    /** Ring descriptors not in use. */
    int freeDescriptors();

    /**
     * Adds a chain: readable buffers first, then writable ones. The device sees it after {@link #publish}.
     *
     * @return a token of 0 to size-1 that {@link #pollUsed} returns, or -1 when there is no room
     */
    int add(DmaBuffer[] readable, int readableCount, DmaBuffer[] writable, int writableCount);

    /** The same with plain addresses: {@code readableCount} readable ones, then {@code writableCount} writable ones. */
    int add(long[] addresses, int[] lengths, int readableCount, int writableCount);

    /** Makes everything added since the last call available: one release store. */
    void publish();

    /** Whether the device wants an available buffer notification for what was published since this was last asked. */
    boolean deviceWantsKick();

    /**
     * Where the next chain will be made available, as a notification carries it with NOTIFICATION_DATA: next_off in bits 0 to 14,
     * next_wrap in bit 15 (virtio 1.4 2.9). Counts what was published.
     */
    int nextAvailable();

    /** The token of the next used chain, or -1; an {@link IllegalStateException} when the device returns nonsense. */
    int pollUsed();

    /**
     * Bytes that the device said it wrote, for the chain of the last {@link #pollUsed}; all of the writable ones for a chain that an
     * in-order device did not mention by itself.
     */
    long usedLength();

    /** Asks for used buffer notifications; true when something was used in the meantime: poll again. */
    boolean enableInterrupts();

    void disableInterrupts();

    /** Address of the descriptor area. */
    long queueDesc();

    /** Address of the driver area. */
    long queueDriver();

    /** Address of the device area. */
    long queueDevice();
}
