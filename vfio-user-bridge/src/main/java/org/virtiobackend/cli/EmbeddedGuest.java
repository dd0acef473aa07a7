package org.virtiobackend.cli;

import java.io.IOException;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.client.VfioUserPciDevice;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/**
 * This process as the guest of a device behind a real socket: a connection, memory that is shared with the device, and the
 * driver's side of the PCI function. When the region is wanted, rings and buffers live in the device's memory instead. One
 * thread; {@link #close} ends all of it.
 */
final class EmbeddedGuest implements AutoCloseable {
    /** Name of the guest memory's file, as /proc/PID/maps shows it where it is mapped. */
    static final String MEMORY = "embedded-guest-ram";

    private static final long BASE = 1L << 32;
    private static final long RING_BYTES = 4L << 20;
    private static final long PAGE = 4096;

    private final VfioUserPciDevice pci;
    private final SharedMemory memory;
    private final VirtioPciDriver driver;
    private Mapping regionMapping;
    private DeviceRegion region;
    private BouncePool pool;

    private EmbeddedGuest(VfioUserPciDevice pci, SharedMemory memory, VirtioPciDriver driver) {
        this.pci = pci;
        this.memory = memory;
        this.driver = driver;
    }

    /**
     * Connects, and resets the device.
     *
     * @param bufferBytes memory wanted beside that of the rings
     * @param deviceId the type of virtio device that it has to be
     */
    static EmbeddedGuest connect(String socketPath, long bufferBytes, int deviceId) throws IOException {
        VfioUserPciDevice pci = new VfioUserPciDevice(VfioUserClient.connect(socketPath));
        SharedMemory memory = null;
        try {
            memory = SharedMemory.create(MEMORY, (RING_BYTES + bufferBytes + PAGE - 1) & -PAGE, BASE);
            int flags = DmaMapPayload.FLAG_READ | DmaMapPayload.FLAG_WRITE;
            pci.client().dmaMap(BASE, memory.size(), flags, memory.memFd().fd(), 0);
            VirtioPciDriver driver = VirtioPciDriver.open(pci);
            if (driver.deviceId() != deviceId) {
                throw new IOException(
                        "virtio device type " + driver.deviceId() + " at " + socketPath + ", not " + deviceId);
            }
            return new EmbeddedGuest(pci, memory, driver);
        } catch (IOException | RuntimeException e) {
            pci.close();
            if (memory != null) {
                memory.close();
            }
            throw e;
        }
    }

    VirtioPciDriver driver() {
        return driver;
    }

    /** Whether the device has memory of its own. */
    boolean hasRegion() throws IOException {
        return driver.region() != null;
    }

    /**
     * Negotiates; in the region by DMB if the device offers it, else by SWIOTLB.
     *
     * @param less features not to accept
     */
    void negotiate(long wanted, long less, boolean inRegion) throws IOException {
        if (!inRegion) {
            driver.negotiate(wanted & ~less);
            return;
        }
        region = driver.region();
        if (region == null) {
            throw new IOException("the device has no memory of its own (--dma-policy)");
        }
        boolean dmb = region.dmb() && (less & RestrictedDma.VIRTIO_F_DMB) == 0;
        long place = dmb ? RestrictedDma.VIRTIO_F_DMB : RestrictedDma.VIRTIO_F_SWIOTLB;
        driver.negotiate((wanted | place) & ~less);
        regionMapping = pci.mapBar(region.bar());
        if (regionMapping == null) {
            throw new IOException("the device's memory cannot be mapped");
        }
        boolean offsets = (driver.features() & RestrictedDma.VIRTIO_F_DMB) != 0;
        pool = new BouncePool(regionMapping, offsets ? 0 : region.busAddress(), 1);
    }

    /** Where rings and buffers go, after {@link #negotiate}. */
    DriverMemory memory() {
        return pool != null ? pool : memory;
    }

    /** The device's memory in use, or null. */
    DeviceRegion region() {
        return region;
    }

    /** The bounce pool in the device's memory, or null. */
    BouncePool pool() {
        return pool;
    }

    @Override
    public void close() throws IOException {
        try {
            driver.close();
        } finally {
            pci.close();
            if (regionMapping != null) {
                regionMapping.close();
            }
            memory.close();
        }
    }
}
