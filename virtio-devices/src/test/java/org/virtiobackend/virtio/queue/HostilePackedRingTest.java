package org.virtiobackend.virtio.queue;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_INDIRECT_DESC;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_IN_ORDER;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;
import static org.virtiobackend.virtio.queue.PackedLayout.*;

import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;

/** Rows of the hostile driver list that name rings, for the packed layout; rows 3, 5 and 6 are in {@link PackedVirtqueueTest}. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class HostilePackedRingTest {
    private static final long BASE = RingPair.BASE;
    private static final int SIZE = 16;

    private RingPair ring;
    private RingAccess desc;

    private void create(long features) throws Exception {
        ring = new RingPair(SIZE, features | VIRTIO_F_RING_PACKED, false);
        desc = ((PackedDriverQueue) ring.driver).desc();
    }

    @AfterEach
    void close() {
        ring.close();
    }

    private void descriptor(int at, long address, long length, int id, int flags) {
        int base = at * DESCRIPTOR_SIZE;
        desc.putU64(base, address);
        desc.putU32(base + DESCRIPTOR_LEN, length);
        desc.putU16(base + DESCRIPTOR_ID, id);
        desc.putU16Release(base + DESCRIPTOR_FLAGS, flags | VIRTQ_DESC_F_AVAIL);
    }

    private void refuses(String reason) {
        VirtqueueException e = assertThrows(VirtqueueException.class, ring.device::poll);
        assertTrue(e.getMessage().contains(reason), e.getMessage());
    }

    @Test
    void row1ZeroLengthChainThatNeverEnds() throws Exception {
        create(0);
        for (int i = 0; i < SIZE; i++) {
            descriptor(i, 0, 0, 0, VIRTQ_DESC_F_NEXT);
        }
        refuses("more than 16 descriptors");
    }

    @Test
    void row1ZeroLengthsInsideAChainAndATable() throws Exception {
        create(VIRTIO_F_INDIRECT_DESC);
        descriptor(1, BASE, 8, 3, 0);
        descriptor(0, 0, 0, 0, VIRTQ_DESC_F_NEXT);
        DescriptorChain chain = ring.device.poll();
        assertEquals(8, chain.readable().remaining());
        assertEquals(2, chain.descriptorCount());
        DmaBuffer table = ring.buffer(32);
        RingFixture.entry(table, 1, BASE, 4, 0, 0);
        descriptor(2, table.dmaAddress(), 32, 4, VIRTQ_DESC_F_INDIRECT);
        assertEquals(4, ring.device.poll().readable().remaining());
    }

    @Test
    void row2LengthBeyondMemoryAndSignBit() throws Exception {
        create(0);
        for (long length : new long[] {0xffff_ffffL, 0x8000_0000L, RingPair.BYTES + 1}) {
            descriptor(0, BASE, length, 0, 0);
            refuses("buffer");
        }
    }

    @Test
    void row4TotalLengthBeyond2To32() throws Exception {
        create(0);
        long size = 3L << 30;
        try (MemFd large = MemFd.create("large", size)) {
            ring.dmaMap.map(1L << 40, size, true, true, large.fd().duplicate(), 0);
            ring.device.reattach();
            descriptor(1, 1L << 40, size, 0, 0);
            descriptor(0, 1L << 40, size, 0, VIRTQ_DESC_F_NEXT);
            refuses("longer than 2^32");
        }
    }

    /** The index of a packed ring is its flags: every descriptor says that it is available, in either round. */
    @Test
    void row7DescriptorsThatAreAvailableWithoutEnd() throws Exception {
        create(0);
        for (int i = 0; i < SIZE; i++) {
            descriptor(i, BASE, 4, i, 0);
        }
        for (int i = 0; i < SIZE; i++) {
            assertNotNull(ring.device.poll());
        }
        for (int i = 0; i < SIZE; i++) {
            desc.putU16(i * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS, availFlags(false));
        }
        refuses("more chains made available");
    }

    @Test
    void row8And9SameBufferAgainWhileItIsInFlight() throws Exception {
        create(VIRTIO_F_IN_ORDER);
        descriptor(0, BASE, 4, 5, 0);
        DescriptorChain chain = ring.device.poll();
        descriptor(1, BASE, 4, 5, 0);
        refuses("made available while in use");
        assertEquals(1, ring.device.inFlight());
        ring.device.addUsed(chain, 0);
        assertEquals(0, ring.device.inFlight());
    }

    @Test
    void row19AddressesAtTheEdges() throws Exception {
        create(0);
        for (long address : new long[] {-1L, -4096L, Long.MIN_VALUE, BASE - 1, BASE + RingPair.BYTES - 3}) {
            descriptor(0, address, 4, 0, 0);
            refuses("buffer");
        }
        descriptor(0, BASE + RingPair.BYTES - 4, 4, 0, 0);
        assertEquals(4, ring.device.poll().readable().remaining());
    }

    @Test
    void indirectDescriptorWithoutTheFeature() throws Exception {
        create(0);
        descriptor(0, BASE, 16, 0, VIRTQ_DESC_F_INDIRECT);
        refuses("without VIRTIO_F_INDIRECT_DESC");
    }

    /** Row 18: what comes out is whole and inside the memory, or an exception. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_IN_ORDER})
    void row18RacingWriterNeverYieldsABadChain(long features) throws Exception {
        create(features | VIRTIO_F_INDIRECT_DESC);
        DmaBuffer table = ring.buffer(SIZE * DESCRIPTOR_SIZE);
        AtomicBoolean stop = new AtomicBoolean();
        Thread racer = new Thread(() -> scribble(table, stop));
        racer.start();
        int good = 0;
        int refused = 0;
        try {
            // Both outcomes have to be met, however little the racer gets to run.
            for (int i = 0; i < 100_000 || good < 100 || refused < 100; i++) {
                try {
                    DescriptorChain chain = ring.device.poll();
                    if (chain != null) {
                        good++;
                        checkInside(chain.readable().segments());
                        checkInside(chain.writable().segments());
                        ring.device.unpoll(chain);
                    }
                } catch (VirtqueueException e) {
                    refused++;
                }
            }
        } finally {
            stop.set(true);
            racer.join();
        }
    }

    private static void checkInside(SegmentList segments) {
        for (int i = 0; i < segments.count(); i++) {
            int end = segments.offset(i) + segments.length(i);
            assertTrue(segments.offset(i) >= 0 && end >= 0 && end <= RingPair.BYTES);
        }
    }

    private void scribble(DmaBuffer table, AtomicBoolean stop) {
        Random random = new Random(42);
        while (!stop.get()) {
            long address = random.nextInt(8) == 0 ? random.nextLong() : BASE + random.nextInt(1 << 22);
            long length = random.nextInt(8) == 0 ? random.nextInt() & 0xffff_ffffL : random.nextInt(4096);
            int flags = random.nextInt(8);
            if (random.nextBoolean()) {
                RingFixture.entry(table, random.nextInt(SIZE), address, length, 0, flags & 3);
            } else if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                long bytes = 16L * random.nextInt(SIZE + 2);
                descriptor(random.nextInt(SIZE), table.dmaAddress(), bytes, random.nextInt(SIZE + 1), flags);
            } else {
                descriptor(random.nextInt(SIZE), address, length, random.nextInt(SIZE + 1), flags);
            }
        }
    }
}
