package org.virtiobackend.dma;

import java.util.Arrays;
import java.util.Comparator;

/** The regions of a DMA space at one moment, sorted by unsigned address; they never overlap. Immutable. */
final class DmaSnapshot {
    static final DmaSnapshot EMPTY = new DmaSnapshot(new DmaRegion[0]);

    private static final Comparator<DmaRegion> BY_ADDRESS = (a, b) -> Long.compareUnsigned(a.address, b.address);

    final DmaRegion[] regions;

    private DmaSnapshot(DmaRegion[] regions) {
        this.regions = regions;
    }

    DmaSnapshot with(DmaRegion region) {
        DmaRegion[] next = Arrays.copyOf(regions, regions.length + 1);
        next[regions.length] = region;
        Arrays.sort(next, BY_ADDRESS);
        return new DmaSnapshot(next);
    }

    DmaSnapshot without(DmaRegion region) {
        return new DmaSnapshot(Arrays.stream(regions).filter(r -> r != region).toArray(DmaRegion[]::new));
    }

    /** The region that holds this address, or null. */
    DmaRegion find(long address) {
        int low = 0;
        int high = regions.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            DmaRegion region = regions[middle];
            if (region.contains(address)) {
                return region;
            }
            if (Long.compareUnsigned(address, region.address) < 0) {
                high = middle - 1;
            } else {
                low = middle + 1;
            }
        }
        return null;
    }

    /** A region that shares a byte with this range, or null. */
    DmaRegion findOverlap(long address, long size) {
        for (DmaRegion region : regions) {
            if (region.overlaps(address, size)) {
                return region;
            }
        }
        return null;
    }
}
