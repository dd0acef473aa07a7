package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

import java.util.ArrayDeque;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** Rings in memory that the device only reaches by messages. */
class RemoteRingTest {
    private RingPair ring;

    @AfterEach
    void close() {
        ring.close();
    }

    /** The copy of a descriptor may be older than the flags behind it in the same message. */
    @Test
    void packedDescriptorIsReadAfterItsFlags() throws Exception {
        ring = new RingPair(8, VIRTIO_F_RING_PACKED, true);
        DmaBuffer[] data = {ring.buffer(24)};
        ring.inTheMiddle = () -> {
            ring.driver.add(data, 1, data, 0);
            ring.driver.publish();
        };
        DescriptorChain chain = ring.device.poll();
        assertEquals(24, chain.readable().remaining());
    }

    @Test
    void splitEntryIsReadAfterTheIndex() throws Exception {
        ring = new RingPair(8, 0, true);
        DmaBuffer[] data = {ring.buffer(24)};
        ring.inTheMiddle = () -> {
            ring.driver.add(data, 1, data, 0);
            ring.driver.publish();
        };
        // The index is read by a short message of its own, so the driver acts in the one after it at the earliest.
        assertNull(ring.device.poll());
        ring.driver.add(data, 1, data, 0);
        ring.driver.publish();
        assertEquals(24, ring.device.poll().readable().remaining());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void aClientThatHasGoneIsNoFaultOfTheDriver(long features) throws Exception {
        ring = new RingPair(8, features, true);
        ring.gone = true;
        VirtqueueException e = assertThrows(VirtqueueException.class, ring.device::poll);
        assertTrue(e.isPeerGone());
        assertFalse(e.isDmaFault());
        assertTrue(
                assertThrows(VirtqueueException.class, ring.device::enableKicks).isPeerGone());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void aBatchCostsNoMessagePerChain(long features) throws Exception {
        ring = new RingPair(64, features, true);
        DmaBuffer[] data = {ring.buffer(16)};
        for (int i = 0; i < 40; i++) {
            ring.driver.add(data, 0, data, 1);
        }
        ring.driver.publish();
        ring.messages = 0;
        for (int i = 0; i < 40; i++) {
            assertEquals(16, ring.device.poll().writable().capacity());
        }
        assertTrue(ring.messages <= 3, ring.messages + " messages");
    }

    /** 64 requests of 1 MiB at once: copies of 16 of them are made, then one after the other. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void copiesOfWhatTheDriverAsksForAreLimited(long features) throws Exception {
        ring = new RingPair(64, features, true);
        DmaBuffer[] data = {ring.buffer(1 << 20)};
        for (int i = 0; i < 64; i++) {
            ring.driver.add(data, 0, data, 1);
        }
        ring.driver.publish();
        ArrayDeque<DescriptorChain> underway = new ArrayDeque<>();
        for (DescriptorChain chain; (chain = ring.device.poll()) != null; ) {
            underway.add(chain);
        }
        assertEquals(16, underway.size());
        assertTrue(ring.device.isHeldBack());
        for (int i = 16; i < 64; i++) {
            DescriptorChain done = underway.remove();
            ring.device.addUsed(done, 0);
            assertEquals(0, done.copiedBytes(), "freed as soon as it is done");
            underway.add(ring.device.poll());
            assertFalse(ring.device.isHeldBack());
            assertNull(ring.device.poll());
        }
        while (!underway.isEmpty()) {
            ring.device.addUsed(underway.remove(), 0);
        }
        assertNull(ring.device.poll());
        assertFalse(ring.device.isHeldBack(), "nothing left");
    }

    @ParameterizedTest
    @CsvSource({"16,0", "16,0x10000000", "16,0x20000000", "16,0x400000000", "11,0x410000000", "5,0x420000000"})
    void carriesDataBothWays(int size, String features) throws Exception {
        ring = new RingPair(size, Long.decode(features), true);
        Random random = new Random(1);
        DmaBuffer[] out = {ring.buffer(16), ring.buffer(48)};
        DmaBuffer[] in = {ring.buffer(64)};
        for (int round = 0; round < 300; round++) {
            long value = random.nextLong();
            out[1].memory().putLong(out[1].offset() + 40, value);
            int token = ring.driver.add(out, 2, in, 1);
            ring.driver.publish();
            DescriptorChain chain = ring.device.poll();
            chain.readable().skip(56);
            long read = chain.readable().getU64();
            chain.writable().putU64(~read);
            ring.device.addUsed(chain, 8);
            ring.device.publishUsed();
            assertEquals(token, ring.driver.pollUsed());
            assertEquals(8, ring.driver.usedLength());
            assertEquals(~value, in[0].memory().getLong(in[0].offset()));
            ring.device.enableKicks();
        }
    }
}
