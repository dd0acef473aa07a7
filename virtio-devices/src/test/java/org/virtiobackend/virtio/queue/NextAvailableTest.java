package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.virtio.VirtioFeature.*;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** What a notification carries with VIRTIO_F_NOTIFICATION_DATA (virtio 1.4 2.9). */
class NextAvailableTest {
    private RingPair ring;

    @AfterEach
    void close() {
        ring.close();
    }

    private void serve() throws Exception {
        DescriptorChain chain = ring.device.poll();
        ring.device.addUsed(chain, 0);
        ring.device.publishUsed();
        ring.driver.pollUsed();
    }

    @Test
    void splitRingTellsItsIndex() throws Exception {
        ring = new RingPair(4, 0, false);
        DmaBuffer[] data = {ring.buffer(8)};
        assertEquals(0, ring.driver.nextAvailable());
        for (int i = 1; i < 70_000; i++) {
            ring.driver.add(data, 1, data, 0);
            assertEquals(i - 1 & 0xffff, ring.driver.nextAvailable(), "not published");
            ring.driver.publish();
            assertEquals(i & 0xffff, ring.driver.nextAvailable());
            serve();
        }
    }

    @Test
    void packedRingTellsOffsetAndWrapCounter() throws Exception {
        ring = new RingPair(5, VIRTIO_F_RING_PACKED, false);
        DmaBuffer[] data = {ring.buffer(8)};
        assertEquals(0x8000, ring.driver.nextAvailable());
        int position = 0;
        for (int i = 0; i < 60; i++) {
            int descriptors = 1 + i % 3;
            DmaBuffer[] chain = {data[0], data[0], data[0]};
            ring.driver.add(chain, descriptors, data, 0);
            ring.driver.publish();
            position += descriptors;
            int wrap = position / 5 % 2 == 0 ? 0x8000 : 0;
            assertEquals(position % 5 | wrap, ring.driver.nextAvailable());
            serve();
        }
    }
}
