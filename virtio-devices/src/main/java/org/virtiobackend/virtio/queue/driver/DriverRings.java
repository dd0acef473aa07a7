package org.virtiobackend.virtio.queue.driver;

import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;

/** What both ring layouts need on the driver side. */
final class DriverRings {
    private DriverRings() {}

    /**
     * Allocates an area and points {@code access} at it.
     *
     * @throws IllegalStateException when {@code memory} has no room
     */
    static DmaBuffer allocate(DriverMemory memory, int length, int alignment, RingAccess access) {
        DmaBuffer buffer = memory.allocate(length, alignment);
        if (buffer == null) {
            throw new IllegalStateException("no memory for a ring area of " + length + " bytes");
        }
        access.attachMapped(buffer.memory(), buffer.offset(), length);
        return buffer;
    }

    /** Appends buffers to plain addresses and lengths, from index {@code at} on. */
    static void flatten(DmaBuffer[] buffers, int count, long[] addresses, int[] lengths, int at) {
        for (int i = 0; i < count; i++) {
            addresses[at + i] = buffers[i].dmaAddress();
            lengths[at + i] = buffers[i].length();
        }
    }

    /** Sum of the unsigned lengths from index {@code from} to {@code to}, exclusive. */
    static long total(int[] lengths, int from, int to) {
        long bytes = 0;
        for (int i = from; i < to; i++) {
            bytes += lengths[i] & 0xffff_ffffL;
        }
        return bytes;
    }
}
