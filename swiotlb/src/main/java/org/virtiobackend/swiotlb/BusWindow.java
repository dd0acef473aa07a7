package org.virtiobackend.swiotlb;

/** Where the region's BAR stands on the bus right now, as the configuration space says. Readable from any thread. */
@FunctionalInterface
public interface BusWindow {
    /** The BAR does not decode: memory space off, power state not D0, or no address that a bus would map. No BAR decodes at 0. */
    long NOT_DECODED = 0;

    /** Bus address of the first byte, or {@link #NOT_DECODED}. One read, so that a moving BAR is seen before or after. */
    long base();
}
