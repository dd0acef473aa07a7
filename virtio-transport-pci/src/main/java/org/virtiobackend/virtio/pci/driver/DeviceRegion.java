package org.virtiobackend.virtio.pci.driver;

/**
 * Device-local memory that a device announces for restricted DMA (proposals).
 *
 * @param bar that holds it
 * @param offset bytes into the BAR
 * @param length bytes
 * @param busAddress of its first byte as the BAR registers say
 * @param swiotlb announced as SWIOTLB buffer: addresses in the rings are bus addresses
 * @param shmId announced as shared memory region and by dmb_shm_id: addresses are offsets; -1 when not
 */
public record DeviceRegion(int bar, long offset, long length, long busAddress, boolean swiotlb, int shmId) {
    public boolean dmb() {
        return shmId >= 0;
    }
}
