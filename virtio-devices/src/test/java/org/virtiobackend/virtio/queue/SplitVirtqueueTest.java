package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.VirtioFeature;

class SplitVirtqueueTest {
    private static final long INDIRECT = VirtioFeature.VIRTIO_F_INDIRECT_DESC;
    private static final long EVENT_IDX = VirtioFeature.VIRTIO_F_EVENT_IDX;

    @Test
    void carriesBytesBothWaysWhateverTheFraming() throws Exception {
        try (RingFixture ring = new RingFixture(16, 0)) {
            DmaBuffer[] readable = {ring.buffer(1), ring.buffer(7), ring.buffer(64)};
            DmaBuffer[] writable = {ring.buffer(3), ring.buffer(5)};
            int value = 1;
            for (DmaBuffer buffer : readable) {
                for (int i = 0; i < buffer.length(); i++) {
                    buffer.memory().put(buffer.offset() + i, (byte) value++);
                }
            }
            int token = ring.driver.add(readable, 3, writable, 2);
            assertNull(ring.device.poll(), "not published yet");
            ring.driver.publish();

            DescriptorChain chain = ring.device.poll();
            assertEquals(token, chain.head());
            assertEquals(72, chain.readable().remaining());
            assertEquals(0x01, chain.readable().getU8());
            assertEquals(0x0302, chain.readable().getU16());
            assertEquals(0x0706_0504L, chain.readable().getU32());
            assertEquals(0x0f0e_0d0c_0b0a_0908L, chain.readable().getU64());
            chain.readable().skip(56);
            assertEquals(72, chain.readable().getU8());
            assertEquals(8, chain.writable().capacity());
            chain.writable().putU32(0x44332211);
            chain.writable().putU8At(7, 0x88);
            ring.device.addUsed(chain, 8);
            assertEquals(-1, ring.driver.pollUsed(), "not published yet");
            ring.device.publishUsed();

            assertEquals(token, ring.driver.pollUsed());
            assertEquals(8, ring.driver.usedLength());
            assertEquals(0x11, writable[0].memory().get(writable[0].offset()));
            assertEquals(0x44, writable[1].memory().get(writable[1].offset()));
            assertEquals((byte) 0x88, writable[1].memory().get(writable[1].offset() + 4));
            assertEquals(16, ring.driver.freeDescriptors());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 28, 1L << 29, 1L << 28 | 1L << 29})
    void agreesWithAModelOverManyRandomRequests(long features) throws Exception {
        Random random = new Random(features + 1);
        try (RingFixture ring = new RingFixture(32, features)) {
            DmaBuffer[] buffers = new DmaBuffer[8];
            for (int i = 0; i < buffers.length; i++) {
                buffers[i] = ring.buffer(1 + i * 13);
            }
            long[] expected = new long[32];
            ArrayDeque<DescriptorChain> atDevice = new ArrayDeque<>();
            int added = 0;
            int returned = 0;
            for (int step = 0; step < 200_000; step++) {
                int choice = random.nextInt(4);
                if (choice == 0) {
                    int readable = random.nextInt(4);
                    int writable = (readable == 0 ? 1 : 0) + random.nextInt(4);
                    int token = ring.driver.add(buffers, readable, buffers, writable);
                    if (token >= 0) {
                        expected[token] = total(buffers, readable) << 32 | total(buffers, writable);
                        added++;
                        ring.driver.publish();
                    }
                } else if (choice == 1) {
                    DescriptorChain chain = ring.device.poll();
                    if (chain != null) {
                        long sizes = chain.readable().remaining() << 32
                                | chain.writable().capacity();
                        assertEquals(expected[chain.head()], sizes);
                        if (random.nextInt(10) == 0) {
                            ring.device.unpoll(chain);
                        } else {
                            atDevice.add(chain);
                        }
                    }
                } else if (choice == 2 && !atDevice.isEmpty()) {
                    DescriptorChain chain = random.nextBoolean() ? atDevice.pollFirst() : atDevice.pollLast();
                    ring.device.addUsed(chain, chain.writable().capacity());
                    ring.device.publishUsed();
                } else {
                    int token = ring.driver.pollUsed();
                    if (token >= 0) {
                        assertEquals(expected[token] & 0xffff_ffffL, ring.driver.usedLength());
                        returned++;
                    }
                }
            }
            assertTrue(returned > 10_000, "the model made progress: " + returned);
            assertEquals(added - returned, outstanding(ring, atDevice));
        }
    }

    private static int outstanding(RingFixture ring, ArrayDeque<DescriptorChain> atDevice) throws Exception {
        int left = 0;
        while (ring.device.poll() != null) {
            left++;
        }
        while (ring.driver.pollUsed() >= 0) {
            left++;
        }
        return left + atDevice.size();
    }

    private static long total(DmaBuffer[] buffers, int count) {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes += buffers[i].length();
        }
        return bytes;
    }

    @Test
    void followsDirectDescriptorsIntoOneIndirectTable() throws Exception {
        try (RingFixture ring = new RingFixture(16, INDIRECT)) {
            DmaBuffer data = ring.buffer(64);
            DmaBuffer table = ring.buffer(32);
            RingFixture.entry(table, 0, data.dmaAddress() + 16, 8, SplitLayout.VIRTQ_DESC_F_NEXT, 1);
            RingFixture.entry(table, 1, data.dmaAddress() + 32, 4, SplitLayout.VIRTQ_DESC_F_WRITE, 0);
            ring.descriptor(3, data.dmaAddress(), 16, SplitLayout.VIRTQ_DESC_F_NEXT, 5);
            // virtio 1.4 2.7.5.3.1: the write flag of the table descriptor means nothing
            int flags = SplitLayout.VIRTQ_DESC_F_INDIRECT | SplitLayout.VIRTQ_DESC_F_WRITE;
            ring.descriptor(5, table.dmaAddress(), 32, flags, 0);
            ring.available(0, 3);
            DescriptorChain chain = ring.device.poll();
            assertEquals(24, chain.readable().remaining());
            assertEquals(4, chain.writable().capacity());
            assertEquals(2, chain.descriptorCount());
        }
    }

    @Test
    void skipsDescriptorsOfLengthZero() throws Exception {
        try (RingFixture ring = new RingFixture(16, 0)) {
            DmaBuffer data = ring.buffer(8);
            ring.descriptor(0, 0xdead_0000L, 0, SplitLayout.VIRTQ_DESC_F_NEXT, 1);
            ring.descriptor(1, data.dmaAddress(), 8, SplitLayout.VIRTQ_DESC_F_NEXT, 2);
            ring.descriptor(2, 0, 0, SplitLayout.VIRTQ_DESC_F_WRITE, 0);
            ring.available(0, 0);
            DescriptorChain chain = ring.device.poll();
            assertEquals(8, chain.readable().remaining());
            assertEquals(0, chain.writable().capacity());
        }
    }

    @Test
    void asksForKicksAgainWithoutLosingOne() throws Exception {
        for (long features : new long[] {0, EVENT_IDX}) {
            try (RingFixture ring = new RingFixture(4, features)) {
                DmaBuffer[] data = {ring.buffer(8)};
                assertFalse(ring.device.enableKicks());
                ring.driver.add(data, 1, data, 0);
                ring.driver.publish();
                assertTrue(ring.driver.deviceWantsKick());
                assertTrue(ring.device.enableKicks(), "something came in between");
                ring.device.poll();
                ring.device.suppressKicks();
                ring.driver.add(data, 1, data, 0);
                ring.driver.publish();
                assertFalse(ring.driver.deviceWantsKick(), "features " + features);
            }
        }
    }

    /** Too few chains are given back: they are no reason to stay awake, and the next one comes with a notification. */
    @Test
    void asksForMoreThanWhatIsThere() throws Exception {
        for (long features : new long[] {0, EVENT_IDX}) {
            try (RingFixture ring = new RingFixture(4, features)) {
                DmaBuffer[] data = {ring.buffer(8)};
                for (int round = 0; round < 6; round++) {
                    addOne(ring, data);
                    addOne(ring, data);
                    giveBackTwo(ring.device);
                    assertTrue(ring.device.enableKicks());
                    assertFalse(ring.device.enableKicksForMore(), "features " + features);
                    assertTrue(addOne(ring, data), "features " + features);
                    assertTrue(ring.device.enableKicksForMore());
                    for (int i = 0; i < 3; i++) {
                        ring.device.addUsed(ring.device.poll(), 0);
                    }
                    ring.device.publishUsed();
                    while (ring.driver.pollUsed() >= 0) {}
                }
            }
        }
    }

    private static boolean addOne(RingFixture ring, DmaBuffer[] data) {
        ring.driver.add(data, 0, data, 1);
        ring.driver.publish();
        return ring.driver.deviceWantsKick();
    }

    private static void giveBackTwo(Virtqueue device) throws VirtqueueException {
        DescriptorChain first = device.poll();
        DescriptorChain second = device.poll();
        assertNull(device.poll());
        device.unpoll(second);
        device.unpoll(first);
    }

    @Test
    void notifiesOnlyWhenTheDriverAsked() throws Exception {
        for (long features : new long[] {0, EVENT_IDX}) {
            try (RingFixture ring = new RingFixture(4, features)) {
                assertTrue(serveOne(ring), "first used buffer");
                ring.driver.pollUsed();
                ring.driver.disableInterrupts();
                assertFalse(serveOne(ring), "features " + features);
                assertTrue(ring.driver.enableInterrupts(), "one is waiting");
                ring.driver.pollUsed();
                assertFalse(ring.driver.enableInterrupts());
                assertTrue(serveOne(ring));
            }
        }
    }

    private static boolean serveOne(RingFixture ring) throws VirtqueueException {
        DmaBuffer[] data = {ring.buffer(8)};
        ring.driver.add(data, 1, data, 0);
        ring.driver.publish();
        ring.device.addUsed(ring.device.poll(), 0);
        ring.device.publishUsed();
        return ring.device.driverWantsNotification();
    }

    @Test
    void returnsTheSameChainAfterUnpoll() throws Exception {
        try (RingFixture ring = new RingFixture(4, 0)) {
            DmaBuffer[] data = {ring.buffer(8)};
            ring.driver.add(data, 1, data, 0);
            ring.driver.publish();
            DescriptorChain chain = ring.device.poll();
            ring.device.unpoll(chain);
            assertEquals(0, ring.device.inFlight());
            assertSame(chain, ring.device.poll());
            assertEquals(1, ring.device.inFlight());
        }
    }

    @Test
    void isIdleWhileItsMemoryIsGoneAndGoesOnWhenItReturns() throws Exception {
        try (RingFixture ring = new RingFixture(4, 0)) {
            DmaBuffer[] data = {ring.buffer(8)};
            ring.driver.add(data, 1, data, 0);
            ring.driver.publish();
            ring.dmaMap.unmap(RingFixture.BASE, RingFixture.BYTES);
            assertFalse(ring.device.reattach());
            assertNull(ring.device.poll());
            assertFalse(ring.device.enableKicks());
            ring.dmaMap.map(
                    RingFixture.BASE,
                    RingFixture.BYTES,
                    true,
                    true,
                    ring.memory.memFd().fd().duplicate(),
                    0);
            assertTrue(ring.device.reattach());
            assertEquals(8, ring.device.poll().readable().remaining());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 28, 1L << 29})
    void allocatesNothingPerWarmRequest(long features) throws Exception {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        try (RingFixture ring = new RingFixture(16, features)) {
            DmaBuffer[] readable = {ring.buffer(16), ring.buffer(512)};
            DmaBuffer[] writable = {ring.buffer(1)};
            for (int i = 0; i < 20_000; i++) {
                roundTrip(ring, readable, writable);
            }
            long id = Thread.currentThread().getId();
            long base = Long.MAX_VALUE; // what asking costs
            long least = Long.MAX_VALUE;
            for (int round = 0; round < 5; round++) {
                long asked = threads.getThreadAllocatedBytes(id);
                base = Math.min(base, threads.getThreadAllocatedBytes(id) - asked);
                long before = threads.getThreadAllocatedBytes(id);
                for (int i = 0; i < 10_000; i++) {
                    roundTrip(ring, readable, writable);
                }
                least = Math.min(least, threads.getThreadAllocatedBytes(id) - before);
            }
            assertEquals(base, least, "bytes for 10000 requests, the least of five rounds");
        }
    }

    private static void roundTrip(RingFixture ring, DmaBuffer[] readable, DmaBuffer[] writable)
            throws VirtqueueException {
        ring.driver.add(readable, 2, writable, 1);
        ring.driver.publish();
        ring.driver.deviceWantsKick();
        DescriptorChain chain = ring.device.poll();
        chain.readable().getU64();
        chain.writable().putU8At(0, 1);
        ring.device.addUsed(chain, 1);
        ring.device.publishUsed();
        ring.device.driverWantsNotification();
        ring.driver.pollUsed();
    }

    /** Row 9: what a chain's lists grow to stays with few chains, not with each slot of the ring. */
    @Test
    void chainObjectsAreReusedWhicheverTheHead() throws Exception {
        try (RingFixture ring = new RingFixture(64, 0)) {
            DmaBuffer[] one = {ring.buffer(8)};
            DmaBuffer[] many = new DmaBuffer[20];
            java.util.Arrays.fill(many, one[0]);
            java.util.Set<DescriptorChain> seen =
                    java.util.Collections.newSetFromMap(new java.util.IdentityHashMap<>());
            java.util.Set<Integer> heads = new java.util.HashSet<>();
            for (int i = 0; i < 200; i++) {
                DmaBuffer[] buffers = i % 2 == 0 ? many : one;
                assertTrue(ring.driver.add(buffers, buffers.length, one, 0) >= 0);
                assertTrue(ring.driver.add(one, 0, buffers, buffers.length) >= 0);
                ring.driver.publish();
                DescriptorChain first = ring.device.poll();
                DescriptorChain second = ring.device.poll();
                for (DescriptorChain chain : new DescriptorChain[] {second, first}) {
                    seen.add(chain);
                    heads.add(chain.head());
                    ring.device.addUsed(chain, 0);
                }
                ring.device.publishUsed();
                assertTrue(ring.driver.pollUsed() >= 0);
                assertTrue(ring.driver.pollUsed() >= 0);
            }
            assertTrue(heads.size() > 2, "several heads");
            assertEquals(2, seen.size(), "as many as were in use at a time");
        }
    }
}
