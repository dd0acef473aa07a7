package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import org.virtiobackend.pci.PciEndpoint;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.virtio.RestrictedDma;

/** Puts the virtio structure capabilities on a function's list (virtio 1.4 4.1.4). */
final class VirtioCapabilities {
    private static final long FOUR_GIB = 1L << 32;

    private final PciEndpoint endpoint;

    VirtioCapabilities(PciEndpoint endpoint) {
        this.endpoint = endpoint;
    }

    /**
     * The structures of the register BAR.
     *
     * @param commonLength bytes of the common configuration
     * @param deviceLength bytes of the device-specific configuration, 0 for none
     * @param notifyLength bytes of the notification structure
     * @param notifyMultiplier bytes between the notification addresses of two queues
     */
    void addRegisters(int commonLength, int deviceLength, int notifyLength, int notifyMultiplier) {
        add(VIRTIO_PCI_CAP_COMMON_CFG, SIZE, RegisterBar.COMMON, commonLength);
        int notify = add(VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY_SIZE, RegisterBar.NOTIFY, notifyLength);
        endpoint.config().define(notify + NOTIFY_OFF_MULTIPLIER, 4, notifyMultiplier, 0);
        add(VIRTIO_PCI_CAP_ISR_CFG, SIZE, RegisterBar.ISR, RegisterBar.PART_SIZE);
        if (deviceLength > 0) {
            add(VIRTIO_PCI_CAP_DEVICE_CFG, SIZE, RegisterBar.DEVICE, deviceLength);
        }
    }

    /** The PCI configuration access capability; returns where it is. */
    int addWindow() {
        return add(VIRTIO_PCI_CAP_PCI_CFG, PCI_CFG_SIZE, 0, 0);
    }

    /** Whatever announces the device-local memory. */
    void addRegion(int bar, DmaPolicy.Region region) {
        long size = region.memory().size();
        if (region.swiotlbCapability()) {
            addRegion(RestrictedDma.VIRTIO_PCI_CAP_SWIOTLB, bar, 0, size, size >= FOUR_GIB);
        }
        if (region.sharedMemoryCapability()) {
            addRegion(VIRTIO_PCI_CAP_SHARED_MEMORY_CFG, bar, region.shmId(), size, true); // virtio 1.4 4.1.4.7
        }
    }

    /** Data for debugging and reporting (virtio 1.4 4.1.4.8). */
    void addVendorData(VendorData vendor) {
        byte[] data = vendor.data();
        int length = VENDOR_DATA + data.length + 3 & ~3;
        int at = endpoint.capabilities().add(PciRegisters.CAP_ID_VENDOR, length);
        endpoint.config().define(at + CAP_LEN, 1, length, 0);
        endpoint.config().define(at + CFG_TYPE, 1, VIRTIO_PCI_CAP_VENDOR_CFG, 0);
        endpoint.config().define(at + VENDOR_DATA_ID, 2, vendor.vendorId(), 0);
        for (int i = 0; i < data.length; i++) {
            endpoint.config().define(at + VENDOR_DATA + i, 1, data[i] & 0xff, 0);
        }
    }

    private void addRegion(int type, int bar, int id, long size, boolean wide) {
        int at = add(type, wide ? SIZE_64 : SIZE, 0, (int) size);
        endpoint.config().define(at + BAR, 1, bar, 0);
        endpoint.config().define(at + ID, 1, id, 0);
        if (wide) {
            endpoint.config().define(at + OFFSET_HI, 4, 0, 0);
            endpoint.config().define(at + LENGTH_HI, 4, size >>> 32, 0);
        }
    }

    private int add(int type, int size, int offset, int length) {
        int at = endpoint.capabilities().add(PciRegisters.CAP_ID_VENDOR, size);
        endpoint.config().define(at + CAP_LEN, 1, size, 0); // virtio 1.4 4.1.4.2
        endpoint.config().define(at + CFG_TYPE, 1, type, 0);
        endpoint.config().define(at + BAR, 1, RegisterBar.BAR, 0);
        endpoint.config().define(at + OFFSET, 4, offset, 0);
        endpoint.config().define(at + LENGTH, 4, length, 0);
        return at;
    }
}
