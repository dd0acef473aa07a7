package org.virtiobackend.swiotlb;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigInteger;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

class SwiotlbSpaceTest {
    private static final long SIZE = 1 << 20;
    private static final int CASES = 2_000_000;

    /** The proposals in arithmetic that cannot overflow. */
    private static boolean allowed(BigInteger base, boolean zeroIsBad, long address, long length) {
        BigInteger start = unsigned(address);
        if (zeroIsBad && address == 0) {
            return false;
        }
        BigInteger end = start.add(BigInteger.valueOf(length));
        return start.compareTo(base) >= 0 && end.compareTo(base.add(BigInteger.valueOf(SIZE))) <= 0;
    }

    private static BigInteger unsigned(long value) {
        return new BigInteger(Long.toUnsignedString(value));
    }

    /** Addresses near every edge as often as anywhere. */
    private static long address(Random random, long base) {
        long near = random.nextInt(64) - 32;
        return switch (random.nextInt(6)) {
            case 0 -> base + near;
            case 1 -> base + SIZE + near;
            case 2 -> near;
            case 3 -> Long.MIN_VALUE + near;
            case 4 -> base + random.nextInt((int) SIZE);
            default -> random.nextLong();
        };
    }

    private static long length(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> 1 + random.nextInt(64);
            case 1 -> SIZE - 32 + random.nextInt(64);
            case 2 -> 0xffff_ffffL - random.nextInt(64);
            default -> 1 + random.nextInt((int) SIZE);
        };
    }

    private static void compare(BarMemory memory, AddressCodec codec, long base, boolean zeroIsBad, long seed) {
        Random random = new Random(seed);
        SwiotlbSpace space = new SwiotlbSpace(memory, codec);
        SegmentList out = new SegmentList();
        BigInteger bigBase = unsigned(base);
        int inside = 0;
        for (int i = 0; i < CASES; i++) {
            long address = address(random, base);
            long length = length(random);
            boolean expected = allowed(bigBase, zeroIsBad, address, length);
            out.clear();
            boolean resolved;
            try {
                space.map(address, length, DmaAccess.WRITE, out);
                resolved = true;
            } catch (DmaFaultException e) {
                resolved = false;
            }
            if (resolved != expected) {
                throw new AssertionError(Long.toHexString(address) + " + " + length + " resolved: " + resolved);
            }
            if (resolved) {
                inside++;
                long at = out.nativeAddress(0) - memory.mapping().address();
                assertEquals(address - base, at);
                assertEquals(length, out.totalBytes());
            } else {
                assertEquals(0, out.count());
            }
        }
        assertTrue(inside > CASES / 50, "enough of both: " + inside);
    }

    @Test
    void absoluteAddressesAgreeWithTheReferencePredicate() throws Exception {
        long[] bases = {0xfea0_0000L, 0x38_0000_0000L, 0x7fff_ffff_fff0_0000L, 0xffff_ffff_ffe0_0000L};
        for (long base : bases) {
            try (BarMemory memory = BarMemory.create(SIZE)) {
                compare(memory, AddressCodec.absoluteInBar(() -> base), base, false, base);
            }
        }
    }

    @Test
    void offsetsAgreeWithTheReferencePredicate() throws Exception {
        try (BarMemory memory = BarMemory.create(SIZE)) {
            compare(memory, AddressCodec.offsetInRegion(), 0, true, 3);
        }
    }

    @Test
    void nothingResolvesWhileTheBarDoesNotDecode() throws Exception {
        try (BarMemory memory = BarMemory.create(SIZE)) {
            long[] base = {0xfea0_0000L};
            SwiotlbSpace space = new SwiotlbSpace(memory, AddressCodec.absoluteInBar(() -> base[0]));
            SegmentList out = new SegmentList();
            space.map(0xfea0_0000L, 16, DmaAccess.READ, out);
            base[0] = BusWindow.NOT_DECODED;
            for (long address : new long[] {0xfea0_0000L, 0, -1, 1, SIZE - 1}) {
                assertThrows(DmaFaultException.class, () -> space.map(address, 1, DmaAccess.READ, new SegmentList()));
            }
            base[0] = 0xc000_0000L;
            assertThrows(DmaFaultException.class, () -> space.map(0xfea0_0000L, 16, DmaAccess.READ, new SegmentList()));
            space.map(0xc000_0000L, 16, DmaAccess.READ, out);
        }
    }

    @Test
    void ringsMustBeInsideAndAligned() throws Exception {
        try (BarMemory memory = BarMemory.create(SIZE)) {
            SwiotlbSpace space = new SwiotlbSpace(memory, AddressCodec.offsetInRegion());
            RingAccess ring = new RingAccess();
            space.attach(0x1000, 256, 16, DmaAccess.READ, ring);
            assertTrue(ring.isAttached());
            assertThrows(DmaFaultException.class, () -> space.attach(0x1008, 256, 16, DmaAccess.READ, ring));
            assertThrows(DmaFaultException.class, () -> space.attach(SIZE - 16, 32, 16, DmaAccess.READ, ring));
            assertThrows(DmaFaultException.class, () -> space.attach(0, 32, 16, DmaAccess.READ, ring));
            assertEquals(0x1100, memory.highWaterBytes());
        }
    }

    @Test
    void sizesFollowTheFormula() {
        // 1 unused page + 256 entries: 1 + 1 + 1 ring pages (4096, 518, 2054 bytes) + 256 * 4 pages of a 4 KiB request
        assertEquals((1 + 3 + 1024) * 4096L, RegionSizing.requiredBytes(new int[] {256}, new int[] {4}));
        assertEquals(8L << 20, RegionSizing.roundUp((4L << 20) + 1));
        assertEquals(4L << 20, RegionSizing.roundUp(4L << 20));
        assertThrows(IllegalArgumentException.class, () -> BarMemory.create(SIZE + 4096));
    }
}
