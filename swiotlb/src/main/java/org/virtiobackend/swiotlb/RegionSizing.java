package org.virtiobackend.swiotlb;

/**
 * How large a region must be so that a page-granular guest allocator can fill every queue: one page that is never used, the ring
 * pages, and for each ring entry the pages of one largest usual request (DMB proposal, sizing).
 */
public final class RegionSizing {
    /** Granule of the guest's allocator, bytes. */
    public static final long PAGE = 4096;

    private RegionSizing() {}

    /** Bytes that a device needs at the least, before rounding up to a power of two. */
    public static long requiredBytes(int[] queueSizes, int[] pagesPerRequest) {
        long pages = 1;
        for (int i = 0; i < queueSizes.length; i++) {
            pages += ringPages(queueSizes[i]) + (long) queueSizes[i] * pagesPerRequest[i];
        }
        return pages * PAGE;
    }

    /** Pages of the three areas of a split ring, each on pages of its own. */
    static long ringPages(int size) {
        return pages(16L * size) + pages(6L + 2L * size) + pages(6L + 8L * size);
    }

    /** The smallest power of two of at least this many bytes. */
    public static long roundUp(long bytes) {
        return bytes <= BarMemory.MIN_BYTES ? BarMemory.MIN_BYTES : Long.highestOneBit(bytes - 1) << 1;
    }

    private static long pages(long bytes) {
        return (bytes + PAGE - 1) / PAGE;
    }
}
