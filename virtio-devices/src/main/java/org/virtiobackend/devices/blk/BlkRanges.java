package org.virtiobackend.devices.blk;

import org.virtiobackend.virtio.queue.ChainReader;

/** The ranges of a discard or write zeroes request, copied out of shared memory and checked as a whole. */
final class BlkRanges {
    /** Most ranges in a request (max_discard_seg, max_write_zeroes_seg). */
    static final int MAX_RANGES = 32;
    /** Most sectors in a range of a discard request: 2 GiB. */
    static final int MAX_DISCARD_SECTORS = 1 << 22;
    /** Most sectors in a range of a write zeroes request: 256 MiB, as it may mean to write them. */
    static final int MAX_WRITE_ZEROES_SECTORS = 1 << 19;

    private final long[] sectors = new long[MAX_RANGES];
    private final long[] counts = new long[MAX_RANGES];
    private final boolean[] unmap = new boolean[MAX_RANGES];
    private int count;

    /** Takes all that is left of {@code in}; nothing may be done when the answer is not OK. */
    BlkResult parse(ChainReader in, boolean discard, long diskBytes) {
        long bytes = in.remaining();
        count = 0;
        if (bytes == 0 || bytes % VirtioBlk.RANGE_BYTES != 0 || bytes / VirtioBlk.RANGE_BYTES > MAX_RANGES) {
            return BlkResult.BAD_RANGES;
        }
        BlkResult worst = BlkResult.OK;
        while (in.remaining() > 0) {
            BlkResult result = parseOne(in, discard, diskBytes);
            // an unknown flag decides, whatever else is wrong: virtio 1.4 5.2.6.2
            if (worst == BlkResult.OK || result == BlkResult.UNKNOWN_FLAG) {
                worst = result;
            }
        }
        return worst;
    }

    private BlkResult parseOne(ChainReader in, boolean discard, long diskBytes) {
        long sector = in.getU64();
        long length = in.getU32();
        long flags = in.getU32();
        sectors[count] = sector;
        counts[count] = length;
        unmap[count] = (flags & VirtioBlk.RANGE_UNMAP) != 0;
        count++;
        if (flags != 0 && (discard || flags != VirtioBlk.RANGE_UNMAP)) {
            return BlkResult.UNKNOWN_FLAG; // virtio 1.4 5.2.6.2
        }
        if (length > (discard ? MAX_DISCARD_SECTORS : MAX_WRITE_ZEROES_SECTORS)) {
            return BlkResult.RANGE_TOO_LONG;
        }
        return isInside(sector, length, diskBytes) ? BlkResult.OK : BlkResult.BEYOND_CAPACITY;
    }

    /** Whether a run of sectors lies on the disk; {@code first} is unsigned, {@code length} at most 2^32. */
    static boolean isInside(long first, long length, long diskBytes) {
        long capacity = diskBytes / VirtioBlk.SECTOR_BYTES;
        return Long.compareUnsigned(first, capacity) <= 0 && length <= capacity - first;
    }

    int count() {
        return count;
    }

    long sector(int i) {
        return sectors[i];
    }

    long sectors(int i) {
        return counts[i];
    }

    boolean mayUnmap(int i) {
        return unmap[i];
    }
}
