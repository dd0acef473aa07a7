package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.*;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** VIRTIO_F_IN_ORDER: the device finishes requests in any order and returns them in the order of their availability. */
class InOrderTest {
    private static final int STEPS = 60_000;

    private RingPair ring;

    private void create(int size, long features, boolean remote) throws Exception {
        ring = new RingPair(size, features | VIRTIO_F_IN_ORDER, remote);
    }

    @AfterEach
    void close() {
        if (ring != null) {
            ring.close();
        }
    }

    private int submit(DmaBuffer[] buffers, int readable, int writable) {
        return ring.driver.add(buffers, readable, buffers, writable);
    }

    private DmaBuffer[] buffers(int count) {
        DmaBuffer[] all = new DmaBuffer[count];
        for (int i = 0; i < count; i++) {
            all[i] = ring.buffer(1 + i * 13);
        }
        return all;
    }

    /** Features by bit: 28 INDIRECT_DESC, 29 EVENT_IDX, 34 RING_PACKED. */
    @ParameterizedTest
    @CsvSource({
        "32,0,false",
        "32,0x10000000,false",
        "16,0x30000000,true",
        "32,0x400000000,false",
        "7,0x410000000,false",
        "33,0x430000000,false",
        "12,0x420000000,true"
    })
    void agreesWithAModelWhateverTheOrderOfCompletion(int size, String features, boolean remote) throws Exception {
        create(size, Long.decode(features), remote);
        Random random = new Random(size);
        DmaBuffer[] buffers = buffers(6);
        Deque<Integer> submitted = new ArrayDeque<>();
        Deque<Long> polled = new ArrayDeque<>();
        long[] lengths = new long[size];
        long[] capacity = new long[size];
        List<DescriptorChain> atDevice = new ArrayList<>();
        int returned = 0;
        for (int step = 0; step < (remote ? STEPS / 10 : STEPS); step++) {
            int choice = random.nextInt(4);
            if (choice == 0) {
                int readable = random.nextInt(3);
                int writable = (readable == 0 ? 1 : 0) + random.nextInt(3);
                int token = submit(buffers, readable, writable);
                if (token >= 0) {
                    submitted.add(token);
                    capacity[token] = total(buffers, writable);
                }
                ring.driver.publish();
            } else if (choice == 1) {
                DescriptorChain chain = ring.device.poll();
                if (chain != null && random.nextInt(10) == 0) {
                    ring.device.unpoll(chain);
                } else if (chain != null) {
                    assertEquals(capacity[chain.head()], chain.writable().capacity());
                    polled.add((long) chain.head());
                    atDevice.add(chain);
                }
            } else if (choice == 2 && !atDevice.isEmpty()) {
                DescriptorChain chain = atDevice.remove(random.nextInt(atDevice.size()));
                long all = chain.writable().capacity();
                lengths[chain.head()] = random.nextInt(3) == 0 ? random.nextInt((int) all + 1) : all;
                ring.device.addUsed(chain, lengths[chain.head()]);
            } else if (random.nextInt(3) == 0) {
                ring.device.publishUsed();
            } else {
                int token = ring.driver.pollUsed();
                if (token >= 0) {
                    assertEquals(submitted.poll(), token, "in the order of submission");
                    assertEquals(polled.poll(), token);
                    assertEquals(lengths[token], ring.driver.usedLength());
                    returned++;
                }
            }
        }
        assertTrue(returned > (remote ? 600 : 6_000), "the model made progress: " + returned);
    }

    private static long total(DmaBuffer[] buffers, int count) {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes += buffers[i].length();
        }
        return bytes;
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_EVENT_IDX, VIRTIO_F_RING_PACKED, VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX})
    void theDriverHearsNothingWhileTheOldestIsInWork(long features) throws Exception {
        create(8, features, false);
        DmaBuffer[] data = buffers(2);
        for (int round = 0; round < 20; round++) {
            int first = submit(data, 1, 1);
            int second = submit(data, 1, 1);
            ring.driver.publish();
            ring.driver.enableInterrupts();
            DescriptorChain a = ring.device.poll();
            DescriptorChain b = ring.device.poll();
            ring.device.addUsed(b, 1);
            ring.device.publishUsed();
            assertEquals(-1, ring.driver.pollUsed());
            assertFalse(ring.device.driverWantsNotification());
            assertEquals(2, ring.device.inFlight());
            ring.device.addUsed(a, 1);
            ring.device.publishUsed();
            assertTrue(ring.device.driverWantsNotification());
            assertEquals(0, ring.device.inFlight());
            assertEquals(first, ring.driver.pollUsed());
            assertTrue(ring.driver.enableInterrupts(), "one more is there");
            assertEquals(second, ring.driver.pollUsed());
            assertEquals(-1, ring.driver.pollUsed());
        }
    }

    private boolean isUsed(int descriptor) {
        RingAccess desc = ((PackedDriverQueue) ring.driver).desc();
        int flags = desc.getU16(descriptor * PackedLayout.DESCRIPTOR_SIZE + PackedLayout.DESCRIPTOR_FLAGS);
        return PackedLayout.isUsed(flags, true);
    }

    @Test
    void onePackedDescriptorStandsForChainsThatWereUsedCompletely() throws Exception {
        create(16, VIRTIO_F_RING_PACKED, false);
        DmaBuffer[] data = buffers(3);
        for (int i = 0; i < 5; i++) {
            assertTrue(submit(data, 1, 2) >= 0);
        }
        ring.driver.publish();
        long[] written = {15, 15, 4, 15, 0};
        DescriptorChain[] chains = new DescriptorChain[5];
        for (int i = 0; i < 5; i++) {
            chains[i] = ring.device.poll();
        }
        for (int i = 4; i >= 0; i--) {
            ring.device.addUsed(chains[i], written[i]);
        }
        ring.device.publishUsed();
        // Three descriptors for each chain; the third chain was written in part, so it ends the first run.
        for (int i = 0; i < 15; i++) {
            assertEquals(i == 0 || i == 9, isUsed(i), "descriptor " + i);
        }
        for (int i = 0; i < 5; i++) {
            assertTrue(ring.driver.pollUsed() >= 0);
            assertEquals(written[i], ring.driver.usedLength());
        }
        assertEquals(-1, ring.driver.pollUsed());
        assertEquals(16, ring.driver.freeDescriptors());
    }

    @Test
    void splitRingHasAnEntryForEveryChain() throws Exception {
        create(8, 0, false);
        DmaBuffer[] data = buffers(2);
        int[] tokens = {submit(data, 1, 1), submit(data, 1, 1), submit(data, 0, 1)};
        ring.driver.publish();
        DescriptorChain[] chains = {ring.device.poll(), ring.device.poll(), ring.device.poll()};
        for (int i = 2; i >= 0; i--) {
            ring.device.addUsed(chains[i], 1);
        }
        ring.device.publishUsed();
        RingAccess used = ((SplitDriverQueue) ring.driver).used();
        for (int i = 0; i < 3; i++) {
            assertEquals(tokens[i] | 1L << 32, used.getU64(4 + 8 * i));
        }
    }

    @Test
    void splitDriverTakesOneEntryForABatchAndRefusesNonsense() throws Exception {
        create(8, 0, false);
        SplitDriverQueue driver = (SplitDriverQueue) ring.driver;
        DmaBuffer[] data = buffers(3);
        int[] tokens = {submit(data, 1, 1), submit(data, 0, 2), submit(data, 1, 2)};
        driver.publish();
        driver.used().putU64(4, tokens[2] | 5L << 32);
        driver.used().putU16Release(2, 3);
        assertEquals(tokens[0], driver.pollUsed());
        assertEquals(1, driver.usedLength(), "taken as used completely");
        assertEquals(tokens[1], driver.pollUsed());
        assertEquals(15, driver.usedLength());
        assertEquals(tokens[2], driver.pollUsed());
        assertEquals(5, driver.usedLength());
        assertEquals(-1, driver.pollUsed());
        assertEquals(8, driver.freeDescriptors());
        int fourth = submit(data, 1, 0);
        int fifth = submit(data, 1, 0);
        driver.publish();
        driver.used().putU64(4 + 8 * 3, tokens[0]);
        driver.used().putU16Release(2, 4);
        assertThrows(IllegalStateException.class, driver::pollUsed, "not out");
        driver.used().putU64(4 + 8 * 3, fifth);
        assertThrows(IllegalStateException.class, driver::pollUsed, "further than the index went");
        driver.used().putU64(4 + 8 * 3, fourth);
        assertEquals(fourth, driver.pollUsed());
    }

    @Test
    void splitDriverUsesDescriptorsInRingOrder() throws Exception {
        create(8, 0, false);
        SplitDriverQueue driver = (SplitDriverQueue) ring.driver;
        DmaBuffer[] data = buffers(3);
        int expected = 0;
        for (int i = 0; i < 40; i++) {
            int head = submit(data, 1, 2);
            assertEquals(expected, head);
            for (int n = 0; n < 2; n++) {
                int next = driver.desc().getU16(expected * SplitLayout.DESCRIPTOR_SIZE + SplitLayout.DESCRIPTOR_NEXT);
                assertEquals((expected + 1) % 8, next);
                expected = next;
            }
            expected = (expected + 1) % 8;
            driver.publish();
            ring.device.addUsed(ring.device.poll(), 41);
            ring.device.publishUsed();
            assertEquals(head, driver.pollUsed());
        }
    }

    @Test
    void packedDriverRefusesABufferThatIsNotOut() throws Exception {
        create(8, VIRTIO_F_RING_PACKED, false);
        PackedDriverQueue driver = (PackedDriverQueue) ring.driver;
        int token = submit(buffers(2), 1, 1);
        driver.publish();
        driver.desc().putU16(PackedLayout.DESCRIPTOR_ID, (token + 1) % 8);
        driver.desc().putU16Release(PackedLayout.DESCRIPTOR_FLAGS, PackedLayout.usedFlags(true));
        assertThrows(IllegalStateException.class, driver::pollUsed);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void unpolledChainsComeAgainInTheirPlace(long features) throws Exception {
        create(8, features, false);
        DmaBuffer[] data = buffers(2);
        int first = submit(data, 1, 0);
        int second = submit(data, 1, 0);
        ring.driver.publish();
        DescriptorChain a = ring.device.poll();
        ring.device.unpoll(ring.device.poll());
        ring.device.addUsed(a, 0);
        ring.device.addUsed(ring.device.poll(), 0);
        ring.device.publishUsed();
        assertEquals(first, ring.driver.pollUsed());
        assertEquals(second, ring.driver.pollUsed());
        assertNull(ring.device.poll());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED, VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC})
    void allocatesNothingPerWarmRequest(long features) throws Exception {
        create(16, features, false);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        DmaBuffer[] data = buffers(2);
        long id = Thread.currentThread().getId();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 20; round++) {
            long before = threads.getThreadAllocatedBytes(id);
            for (int i = 0; i < 2_000; i++) {
                turn(data);
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(id) - before);
        }
        assertTrue(least < 1_000, least + " bytes for 4000 requests");
    }

    private void turn(DmaBuffer[] data) throws VirtqueueException {
        submit(data, 1, 1);
        submit(data, 1, 1);
        ring.driver.publish();
        ring.driver.nextAvailable();
        DescriptorChain first = ring.device.poll();
        DescriptorChain second = ring.device.poll();
        ring.device.addUsed(second, 1);
        ring.device.addUsed(first, 1);
        ring.device.publishUsed();
        ring.device.driverWantsNotification();
        ring.driver.pollUsed();
        ring.driver.pollUsed();
    }
}
