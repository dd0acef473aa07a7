package org.virtiobackend.swiotlb.driver;

/** Where a driver gets memory that the device can reach: shared guest memory, or the device's own region. */
public interface DriverMemory {
    /**
     * Takes zeroed memory.
     *
     * @param length bytes, more than 0
     * @param alignment bytes, a power of two of at most the page size
     * @return null when nothing is left
     */
    DmaBuffer allocate(int length, int alignment);

    /** Gives it back; the device must not use it any more. */
    void free(DmaBuffer buffer);
}
