package org.virtiobackend.swiotlb;

/** How a driver names a place in the region. Answers {@link #INVALID} for a place that has no name now; range checks come after. */
@FunctionalInterface
public interface AddressCodec {
    long INVALID = -1;

    /** Offset in the region that {@code address} stands for (unsigned, perhaps beyond its end), or {@link #INVALID}. */
    long offset(long address);

    /** SWIOTLB proposal: a bus address inside the region's BAR. Nothing resolves while the BAR does not decode. */
    static AddressCodec absoluteInBar(BusWindow window) {
        return address -> {
            long base = window.base();
            return base == BusWindow.NOT_DECODED || Long.compareUnsigned(address, base) < 0 ? INVALID : address - base;
        };
    }

    /** DMB proposal: an offset from the region's start; 0 is never used. */
    static AddressCodec offsetInRegion() {
        return address -> address == 0 ? INVALID : address;
    }
}
