package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.VirtioFeature;

/** What a hostile driver does to a split ring; the numbers are rows of the project's attack list. */
class HostileSplitRingTest {
    private static final long INDIRECT = VirtioFeature.VIRTIO_F_INDIRECT_DESC;
    private static final int NEXT = SplitLayout.VIRTQ_DESC_F_NEXT;
    private static final int WRITE = SplitLayout.VIRTQ_DESC_F_WRITE;
    private static final int TABLE = SplitLayout.VIRTQ_DESC_F_INDIRECT;

    private static void refuses(RingFixture ring, String reason) {
        VirtqueueException e = assertThrows(VirtqueueException.class, ring.device::poll);
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    @Test
    void row1ZeroLengthChainThatLoops() throws Exception {
        try (RingFixture ring = new RingFixture(8, 0)) {
            ring.descriptor(0, 0, 0, NEXT, 0);
            ring.available(0, 0);
            refuses(ring, "more than 8 descriptors");
        }
    }

    @Test
    void row2LengthBeyondMemoryAndSignBit() throws Exception {
        for (long length : new long[] {0xffff_ffffL, 0x8000_0000L, RingFixture.BYTES + 1}) {
            try (RingFixture ring = new RingFixture(8, 0)) {
                ring.descriptor(0, RingFixture.BASE, length, 0, 0);
                ring.available(0, 0);
                refuses(ring, "not mapped");
            }
        }
    }

    @Test
    void row3CyclesAndNextOutOfRange() throws Exception {
        for (int next : new int[] {0, 8, 65535}) {
            try (RingFixture ring = new RingFixture(8, 0)) {
                ring.descriptor(0, RingFixture.BASE, 1, NEXT, 1);
                ring.descriptor(1, RingFixture.BASE, 1, NEXT, next);
                ring.available(0, 0);
                refuses(ring, next == 0 ? "more than 8 descriptors" : "next descriptor");
            }
        }
    }

    @Test
    void row4TotalLengthBeyond2To32() throws Exception {
        long size = 3L << 30;
        try (RingFixture ring = new RingFixture(8, 0);
                org.virtiobackend.posix.MemFd large = org.virtiobackend.posix.MemFd.create("large", size)) {
            ring.dmaMap.map(1L << 40, size, true, true, large.fd().duplicate(), 0);
            ring.device.reattach();
            ring.descriptor(0, 1L << 40, size, NEXT, 1);
            ring.descriptor(1, 1L << 40, size, 0, 0);
            ring.available(0, 0);
            refuses(ring, "longer than 2^32");
        }
    }

    @Test
    void row5IndirectTablesThatBreakTheRules() throws Exception {
        Object[][] cases = {
            {TABLE, 0L, "indirect table of 0 bytes"},
            {TABLE, 24L, "indirect table of 24 bytes"},
            {TABLE, 9 * 16L, "indirect table of 9 descriptors"},
            {TABLE, 0xffff_fff0L, "indirect table of"},
            {TABLE | NEXT, 32L, "both INDIRECT and NEXT"},
        };
        for (Object[] c : cases) {
            try (RingFixture ring = new RingFixture(8, INDIRECT)) {
                DmaBuffer table = ring.buffer(256);
                RingFixture.entry(table, 0, RingFixture.BASE, 1, 0, 0);
                ring.descriptor(0, table.dmaAddress(), (Long) c[1], (Integer) c[0], 1);
                ring.available(0, 0);
                refuses(ring, (String) c[2]);
            }
        }
    }

    @Test
    void row5NestedTableNextBeyondItAndFeatureOff() throws Exception {
        try (RingFixture ring = new RingFixture(8, INDIRECT)) {
            DmaBuffer table = ring.buffer(32);
            RingFixture.entry(table, 0, table.dmaAddress(), 32, TABLE, 0);
            ring.descriptor(0, table.dmaAddress(), 32, TABLE, 0);
            ring.available(0, 0);
            refuses(ring, "inside an indirect table");
            RingFixture.entry(table, 0, RingFixture.BASE, 1, NEXT, 2);
            refuses(ring, "in an indirect table of 2");
            RingFixture.entry(table, 0, RingFixture.BASE, 1, NEXT, 0);
            refuses(ring, "more than 8 descriptors");
        }
        try (RingFixture ring = new RingFixture(8, 0)) {
            ring.descriptor(0, RingFixture.BASE, 32, TABLE, 0);
            ring.available(0, 0);
            refuses(ring, "without VIRTIO_F_INDIRECT_DESC");
        }
    }

    @Test
    void row5IndirectTableOutsideMemory() throws Exception {
        try (RingFixture ring = new RingFixture(8, INDIRECT)) {
            ring.descriptor(0, RingFixture.BASE + RingFixture.BYTES - 16, 32, TABLE, 0);
            ring.available(0, 0);
            refuses(ring, "indirect table: address is not mapped");
        }
    }

    @Test
    void row7AvailableIndexThatJumpsOrGoesBack() throws Exception {
        for (int index : new int[] {9, 32768, 65535}) {
            try (RingFixture ring = new RingFixture(8, 0)) {
                ring.driver.avail().putU16(SplitLayout.IDX, index);
                refuses(ring, "available index");
            }
        }
    }

    @Test
    void row3HeadOutOfRange() throws Exception {
        for (int head : new int[] {8, 32768, 65535}) {
            try (RingFixture ring = new RingFixture(8, 0)) {
                ring.available(0, head);
                refuses(ring, "available head");
            }
        }
    }

    @Test
    void row8SameHeadTwiceWhileInFlight() throws Exception {
        try (RingFixture ring = new RingFixture(8, 0)) {
            ring.descriptor(2, RingFixture.BASE, 4, 0, 0);
            ring.available(0, 2);
            assertNotNull(ring.device.poll());
            ring.available(1, 2);
            refuses(ring, "made available while in use");
        }
    }

    @Test
    void readableAfterWritable() throws Exception {
        try (RingFixture ring = new RingFixture(8, 0)) {
            ring.descriptor(0, RingFixture.BASE, 4, WRITE | NEXT, 1);
            ring.descriptor(1, RingFixture.BASE, 4, 0, 0);
            ring.available(0, 0);
            refuses(ring, "after a device-writable");
        }
    }

    @Test
    void row19AddressesAtTheEdges() throws Exception {
        long end = RingFixture.BASE + RingFixture.BYTES;
        long[][] bad = {
            {-1, 1}, {-1, 2}, {-4096, 0xffff_ffffL}, {end, 1}, {end - 1, 2}, {RingFixture.BASE - 1, 2}, {0, 1}
        };
        for (long[] range : bad) {
            try (RingFixture ring = new RingFixture(8, 0)) {
                ring.descriptor(0, range[0], range[1], 0, 0);
                ring.available(0, 0);
                refuses(ring, "buffer: ");
            }
        }
        try (RingFixture ring = new RingFixture(8, 0)) {
            ring.descriptor(0, end - 1, 1, WRITE, 0);
            ring.available(0, 0);
            assertEquals(1, ring.device.poll().writable().capacity());
        }
    }

    @Test
    void row10RingAreasThatAreNotMappedOrNotAligned() throws Exception {
        try (RingFixture ring = new RingFixture(8, 0)) {
            QueueConfig good = ring.config;
            QueueConfig[] bad = {
                new QueueConfig(0, 8, good.queueDesc() + 1, good.queueDriver(), good.queueDevice()),
                new QueueConfig(0, 8, good.queueDesc(), good.queueDriver() + 1, good.queueDevice()),
                new QueueConfig(0, 8, good.queueDesc(), good.queueDriver(), good.queueDevice() + 2),
                new QueueConfig(0, 8, 0, good.queueDriver(), good.queueDevice()),
                new QueueConfig(
                        0, 8, RingFixture.BASE + RingFixture.BYTES - 64, good.queueDriver(), good.queueDevice()),
                new QueueConfig(0, 0, good.queueDesc(), good.queueDriver(), good.queueDevice()),
                new QueueConfig(0, 7, good.queueDesc(), good.queueDriver(), good.queueDevice()),
                new QueueConfig(0, 65536, good.queueDesc(), good.queueDriver(), good.queueDevice()),
            };
            for (QueueConfig config : bad) {
                assertThrows(
                        VirtqueueException.class,
                        () -> new SplitVirtqueue(config, 0, ring.dmaMap.newSpace(), null),
                        config.toString());
            }
        }
    }

    /** Row 18: whatever a racing thread does to the ring, what comes out is whole and inside the memory, or an exception. */
    @Test
    void row18RacingWriterNeverYieldsABadChain() throws Exception {
        try (RingFixture ring = new RingFixture(16, INDIRECT)) {
            DmaBuffer table = ring.buffer(256);
            AtomicBoolean stop = new AtomicBoolean();
            Thread racer = new Thread(() -> scribble(ring, table, stop));
            racer.start();
            try {
                pollManyTimes(ring, new Random(7));
            } finally {
                stop.set(true);
                racer.join();
            }
        }
    }

    private static void pollManyTimes(RingFixture ring, Random random) throws Exception {
        int good = 0;
        int refused = 0;
        // Both outcomes have to be met, however little the racer gets to run.
        for (int i = 0; i < 200_000 || good < 100 || refused < 100; i++) {
            try {
                SplitVirtqueue queue =
                        i % 64 == 0 ? new SplitVirtqueue(ring.config, INDIRECT, ring.space, null) : ring.device;
                DescriptorChain chain = queue.poll();
                if (chain != null) {
                    good++;
                    checkInside(chain.readable().segments());
                    checkInside(chain.writable().segments());
                    queue.unpoll(chain);
                }
            } catch (VirtqueueException e) {
                refused++;
            }
        }
    }

    private static void checkInside(SegmentList segments) {
        for (int i = 0; i < segments.count(); i++) {
            int end = segments.offset(i) + segments.length(i);
            assertTrue(segments.offset(i) >= 0 && end >= 0 && end <= RingFixture.BYTES);
        }
    }

    private static void scribble(RingFixture ring, DmaBuffer table, AtomicBoolean stop) {
        Random random = new Random(42);
        while (!stop.get()) {
            long address = random.nextInt(8) == 0 ? random.nextLong() : RingFixture.BASE + random.nextInt(1 << 22);
            long length = random.nextInt(8) == 0 ? random.nextInt() & 0xffff_ffffL : random.nextInt(4096);
            int flags = random.nextInt(8);
            int next = random.nextInt(18);
            if (random.nextBoolean()) {
                RingFixture.entry(table, random.nextInt(16), address, length, flags & 3, next);
            } else if ((flags & TABLE) != 0) {
                ring.descriptor(random.nextInt(16), table.dmaAddress(), 16L * random.nextInt(18), flags, next);
            } else {
                ring.descriptor(random.nextInt(16), address, length, flags, next);
            }
            ring.driver.avail().putU16(SplitLayout.RING + 2 * random.nextInt(16), random.nextInt(17));
            ring.driver.avail().putU16(SplitLayout.IDX, random.nextInt(18));
        }
    }
}
