package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.queue.PackedLayout.*;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayDeque;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;

class PackedVirtqueueTest {
    private static final long BASE = 0x1_0000_0000L;
    private static final long BYTES = 4L << 20;
    private static final long INDIRECT = VirtioFeature.VIRTIO_F_INDIRECT_DESC;

    private final DmaMap dmaMap = new DmaMap();
    private SharedMemory memory;
    private PackedDriverQueue driver;
    private PackedVirtqueue device;

    private void create(int size, long features) throws Exception {
        memory = SharedMemory.create("packed-test", BYTES, BASE);
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        driver = PackedDriverQueue.create(0, size, features, memory);
        QueueConfig config = new QueueConfig(0, size, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        device = new PackedVirtqueue(config, features, dmaMap.newSpace(), new ChainCompletion() {
            @Override
            public void completed(DescriptorChain chain) {}

            @Override
            public void deferred(DescriptorChain chain) {}
        });
    }

    @AfterEach
    void close() {
        dmaMap.close();
        if (memory != null) {
            memory.close();
        }
    }

    private void descriptor(int at, long address, long length, int id, int flags) {
        int base = at * DESCRIPTOR_SIZE;
        driver.desc().putU64(base, address);
        driver.desc().putU32(base + DESCRIPTOR_LEN, length);
        driver.desc().putU16(base + DESCRIPTOR_ID, id);
        driver.desc().putU16Release(base + DESCRIPTOR_FLAGS, flags | VIRTQ_DESC_F_AVAIL);
    }

    private void refuses(String reason) {
        VirtqueueException e = assertThrows(VirtqueueException.class, device::poll);
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"32,0", "32,268435456", "7,0", "33,268435456", "5,536870912", "12,805306368"})
    void agreesWithAModelOverManyRandomRequests(int size, long features) throws Exception {
        create(size, features);
        Random random = new Random(size);
        DmaBuffer[] buffers = new DmaBuffer[8];
        for (int i = 0; i < buffers.length; i++) {
            buffers[i] = memory.allocate(1 + i * 13, 16);
        }
        long[] expected = new long[size];
        ArrayDeque<DescriptorChain> atDevice = new ArrayDeque<>();
        int returned = 0;
        for (int step = 0; step < 200_000; step++) {
            int choice = random.nextInt(4);
            if (random.nextInt(8) == 0) {
                driver.publish();
                device.publishUsed();
            }
            if (choice == 0) {
                int readable = random.nextInt(3);
                int writable = (readable == 0 ? 1 : 0) + random.nextInt(3);
                int token = driver.add(buffers, readable, buffers, writable);
                if (token >= 0) {
                    expected[token] = (readable == 0 ? 0 : total(buffers, readable)) << 32 | total(buffers, writable);
                    if (random.nextBoolean()) {
                        driver.publish();
                    }
                }
            } else if (choice == 1) {
                DescriptorChain chain = device.poll();
                if (chain != null) {
                    long sizes = chain.readable().remaining() << 32
                            | chain.writable().capacity();
                    assertEquals(expected[chain.head()], sizes);
                    if (random.nextInt(10) == 0) {
                        device.unpoll(chain);
                    } else {
                        atDevice.add(chain);
                    }
                }
            } else if (choice == 2 && !atDevice.isEmpty()) {
                DescriptorChain chain = random.nextBoolean() ? atDevice.pollFirst() : atDevice.pollLast();
                device.addUsed(chain, chain.writable().capacity());
                if (random.nextBoolean()) {
                    device.publishUsed();
                }
            } else {
                int token = driver.pollUsed();
                if (token >= 0) {
                    assertEquals(expected[token] & 0xffff_ffffL, driver.usedLength());
                    returned++;
                }
            }
        }
        assertTrue(returned > 10_000, "the model made progress: " + returned);
    }

    private static long total(DmaBuffer[] buffers, int count) {
        long bytes = 0;
        for (int i = 0; i < count; i++) {
            bytes += buffers[i].length();
        }
        return bytes;
    }

    @Test
    void notifiesWhenTheRingPassesTheNamedDescriptor() {
        // size 8, device now at position 2 of a new round, 5 descriptors since the last look: 5, 6, 7, 0, 1
        for (int offset = 0; offset < 8; offset++) {
            boolean previousRound = needEvent(offset | EVENT_WRAP, 2, false, 5, 8);
            boolean thisRound = needEvent(offset, 2, false, 5, 8);
            assertEquals(offset >= 5, previousRound, "previous round " + offset);
            assertEquals(offset < 2, thisRound, "this round " + offset);
        }
    }

    /** Too few chains are given back: they are no reason to stay awake, and the next one comes with a notification. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 29})
    void asksForMoreThanWhatIsThere(long features) throws Exception {
        create(4, features);
        DmaBuffer[] data = {memory.allocate(8, 16)};
        for (int round = 0; round < 9; round++) { // at each place of the ring
            addOne(data);
            addOne(data);
            DescriptorChain first = device.poll();
            DescriptorChain second = device.poll();
            assertNull(device.poll());
            device.unpoll(second);
            device.unpoll(first);
            assertTrue(device.enableKicks());
            assertFalse(device.enableKicksForMore(), "round " + round);
            assertTrue(addOne(data), "round " + round);
            assertTrue(device.enableKicksForMore());
            for (int i = 0; i < 3; i++) {
                device.addUsed(device.poll(), 0);
            }
            device.publishUsed();
            while (driver.pollUsed() >= 0) {}
        }
    }

    private boolean addOne(DmaBuffer[] data) {
        driver.add(data, 0, data, 1);
        driver.publish();
        return driver.deviceWantsKick();
    }

    /** Whether the driver still wants to hear of what it can see says nothing of what it cannot see yet. */
    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 29})
    void aDriverThatStopsListeningInBetweenHearsOfTheNextBatch(long features) throws Exception {
        create(6, features);
        DmaBuffer[] data = {memory.allocate(8, 16)};
        for (int i = 0; i < 40; i++) {
            driver.add(data, 1, data, 0);
            driver.add(data, 1, data, 0);
            driver.publish();
            assertFalse(driver.enableInterrupts());
            device.addUsed(device.poll(), 0);
            device.publishUsed();
            assertTrue(device.driverStillWantsNotification(), "round " + i);
            device.addUsed(device.poll(), 0);
            driver.disableInterrupts();
            assertTrue(driver.pollUsed() >= 0);
            assertFalse(device.driverStillWantsNotification(), "round " + i);
            assertFalse(driver.enableInterrupts(), "nothing to see");
            device.publishUsed();
            assertTrue(device.driverWantsNotification(), "round " + i);
            assertTrue(driver.pollUsed() >= 0);
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 29})
    void neitherSideLosesANotification(long features) throws Exception {
        create(6, features);
        DmaBuffer[] data = {memory.allocate(8, 16)};
        for (int i = 0; i < 40; i++) {
            assertFalse(device.enableKicks(), "round " + i);
            driver.add(data, 1, data, 0);
            driver.publish();
            assertTrue(driver.deviceWantsKick(), "round " + i);
            assertTrue(device.enableKicks());
            device.suppressKicks();
            driver.add(data, 0, data, 1);
            driver.publish();
            assertFalse(driver.deviceWantsKick());
            assertFalse(driver.enableInterrupts());
            device.addUsed(device.poll(), 0);
            device.publishUsed();
            assertTrue(device.driverWantsNotification());
            driver.disableInterrupts();
            device.addUsed(device.poll(), 0);
            device.publishUsed();
            assertFalse(device.driverWantsNotification());
            assertTrue(driver.enableInterrupts());
            assertTrue(driver.pollUsed() >= 0);
            assertTrue(driver.pollUsed() >= 0);
            assertEquals(-1, driver.pollUsed());
        }
    }

    @Test
    void row6ListsThatWrapAround() throws Exception {
        create(4, 0);
        DmaBuffer[] data = {memory.allocate(8, 16), memory.allocate(8, 16), memory.allocate(8, 16)};
        for (int i = 0; i < 50; i++) {
            driver.add(data, 2, data, 1);
            driver.publish();
            DescriptorChain chain = device.poll();
            assertEquals(16, chain.readable().remaining());
            assertEquals(3, chain.descriptorCount());
            device.addUsed(chain, 8);
            device.publishUsed();
            assertTrue(driver.pollUsed() >= 0);
            assertEquals(4, driver.freeDescriptors());
        }
    }

    @Test
    void row6IdsOutOfRangeOrInUse() throws Exception {
        create(8, 0);
        descriptor(0, BASE, 4, 8, 0);
        refuses("buffer id 8");
        descriptor(0, BASE, 4, 65535, 0);
        refuses("buffer id 65535");
        descriptor(0, BASE, 4, 3, 0);
        assertNotNull(device.poll());
        descriptor(1, BASE, 4, 3, 0);
        refuses("made available while in use");
    }

    @Test
    void row5IndirectRulesOfThePackedRing() throws Exception {
        create(8, INDIRECT);
        DmaBuffer table = memory.allocate(256, 16);
        RingFixture.entry(table, 0, BASE, 4, 0, 0);
        int indirect = VIRTQ_DESC_F_INDIRECT;
        descriptor(0, table.dmaAddress(), 0, 1, indirect);
        refuses("indirect table of 0 bytes");
        descriptor(0, table.dmaAddress(), 24, 1, indirect);
        refuses("indirect table of 24 bytes");
        descriptor(0, table.dmaAddress(), 9 * 16, 1, indirect);
        refuses("indirect table of 9 descriptors");
        descriptor(0, table.dmaAddress(), 16, 1, indirect | VIRTQ_DESC_F_NEXT);
        refuses("inside a list");
        descriptor(0, BASE, 4, 1, VIRTQ_DESC_F_NEXT);
        descriptor(1, table.dmaAddress(), 16, 1, indirect);
        refuses("inside a list");
        // A stale NEXT in the last entry of a table means nothing.
        table.memory().putShort(table.offset() + 14, (short) VIRTQ_DESC_F_NEXT);
        descriptor(0, table.dmaAddress(), 16, 1, indirect);
        assertEquals(4, device.poll().readable().remaining());
    }

    @Test
    void row3ListThatNeverEnds() throws Exception {
        create(4, 0);
        for (int i = 0; i < 4; i++) {
            descriptor(i, BASE, 4, 0, VIRTQ_DESC_F_NEXT);
        }
        refuses("more than 4 descriptors");
    }

    @Test
    void readableAfterWritable() throws Exception {
        create(4, 0);
        descriptor(0, BASE, 4, 0, VIRTQ_DESC_F_WRITE | VIRTQ_DESC_F_NEXT);
        descriptor(1, BASE, 4, 0, 0);
        refuses("after a device-writable");
    }

    @Test
    void emptyRingIsEmptyInBothRounds() throws Exception {
        create(3, 0);
        assertNull(device.poll());
        DmaBuffer[] data = {memory.allocate(8, 16)};
        for (int i = 0; i < 10; i++) {
            driver.add(data, 1, data, 0);
            assertNull(device.poll(), "not published");
            driver.publish();
            device.addUsed(device.poll(), 0);
            assertEquals(-1, driver.pollUsed(), "not published");
            device.publishUsed();
            assertTrue(driver.pollUsed() >= 0);
            assertNull(device.poll());
            assertEquals(-1, driver.pollUsed());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, 1L << 28, 1L << 29})
    void allocatesNothingPerWarmRequest(long features) throws Exception {
        create(16, features);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        DmaBuffer[] readable = {memory.allocate(16, 16), memory.allocate(512, 16)};
        DmaBuffer[] writable = {memory.allocate(1, 16)};
        for (int i = 0; i < 20_000; i++) {
            roundTrip(readable, writable);
        }
        long id = Thread.currentThread().getId();
        long base = Long.MAX_VALUE; // what asking costs
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 5; round++) {
            long asked = threads.getThreadAllocatedBytes(id);
            base = Math.min(base, threads.getThreadAllocatedBytes(id) - asked);
            long before = threads.getThreadAllocatedBytes(id);
            for (int i = 0; i < 10_000; i++) {
                roundTrip(readable, writable);
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(id) - before);
        }
        assertEquals(base, least, "bytes for 10000 requests, the least of five rounds");
    }

    private void roundTrip(DmaBuffer[] readable, DmaBuffer[] writable) throws VirtqueueException {
        driver.add(readable, 2, writable, 1);
        driver.publish();
        driver.deviceWantsKick();
        DescriptorChain chain = device.poll();
        chain.readable().getU64();
        chain.writable().putU8At(0, 1);
        device.addUsed(chain, 1);
        device.publishUsed();
        device.driverWantsNotification();
        driver.pollUsed();
    }
}
