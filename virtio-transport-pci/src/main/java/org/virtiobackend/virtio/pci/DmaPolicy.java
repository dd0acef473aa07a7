package org.virtiobackend.virtio.pci;

import java.util.function.Supplier;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Mapping;

/**
 * What memory a device may touch, and what it tells the driver about that: the operator's choice. Control thread,
 * except that the supplied spaces are used by workers.
 */
public interface DmaPolicy {
    /** Feature bits that go with the policy, to be offered beside those of device and transport. */
    long offeredFeatures();

    /**
     * Judges a driver's choice, already a subset of what was offered.
     *
     * @return false to refuse FEATURES_OK
     */
    boolean acceptFeatures(long features);

    /**
     * The memory of one activation, one space per call and queue.
     *
     * @param features as negotiated
     * @param window where the region's BAR is on the bus; null when there is no {@link #region}
     */
    Supplier<DmaSpace> spaces(long features, BarWindow window);

    /**
     * The device-local memory that the function shows as a BAR of its own, or null; the same for the life of the
     * function.
     */
    Region region();

    /**
     * Device-local memory and how it is announced.
     *
     * @param memory size and file, a power of two
     * @param mapping the same memory, for accesses by message; all of it, it stays the policy's
     * @param shmId shared memory id, 0 to 255
     * @param swiotlbCapability show it as SWIOTLB buffer (proposal)
     * @param sharedMemoryCapability show it as shared memory region and in dmb_shm_id (DMB proposal)
     */
    record Region(
            PciRegion memory, Mapping mapping, int shmId, boolean swiotlbCapability, boolean sharedMemoryCapability) {}
}
