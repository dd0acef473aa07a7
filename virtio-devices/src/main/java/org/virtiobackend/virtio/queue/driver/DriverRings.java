package org.virtiobackend.virtio.queue.driver;

import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** Buffer lists as both ring layouts take them. */
final class DriverRings {
    private DriverRings() {}

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
