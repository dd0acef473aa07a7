package org.virtiobackend.cli;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.IOException;
import org.virtiobackend.devices.net.driver.NetDriver;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.client.VfioUserPciDevice;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/**
 * A network device that this process drives, over a real socket, with one queue pair. Rings and buffers are in memory
 * shared with the device or, if it has a region, in there. One thread.
 */
final class EmbeddedNic implements AutoCloseable {
    private static final long FEATURES = VIRTIO_NET_F_MAC
            | VIRTIO_NET_F_STATUS
            | VIRTIO_NET_F_MRG_RXBUF
            | VirtioFeature.VIRTIO_F_EVENT_IDX
            | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM;
    private static final long GUEST_BASE = 1L << 32;
    private static final long RING_BYTES = 4L << 20;
    private static final int QUEUE_SIZE = 256;
    private static final int MAC_BYTES = 6;
    private static final long PAGE = 4096;

    private final VfioUserPciDevice pci;
    private final SharedMemory guestMemory;
    private final VirtioPciDriver driver;
    private final Mapping regionMapping;
    private final DriverQueue receiveQueue;
    private final DriverQueue transmitQueue;
    private final NetDriver frames;
    private final byte[] mac = new byte[MAC_BYTES];

    private EmbeddedNic(VfioUserPciDevice pci, SharedMemory guestMemory, int slots, int frameBytes) throws IOException {
        this.pci = pci;
        this.guestMemory = guestMemory;
        this.driver = VirtioPciDriver.open(pci);
        if (driver.deviceId() != VirtioDeviceId.NET) {
            throw new IOException("not a network device: virtio device type " + driver.deviceId());
        }
        DeviceRegion region = driver.region();
        long more = region == null ? 0 : region.dmb() ? RestrictedDma.VIRTIO_F_DMB : RestrictedDma.VIRTIO_F_SWIOTLB;
        driver.negotiate(FEATURES | more);
        this.regionMapping = region == null ? null : pci.mapBar(region.bar());
        boolean offsets = (driver.features() & RestrictedDma.VIRTIO_F_DMB) != 0;
        DriverMemory memory = regionMapping == null
                ? guestMemory
                : new BouncePool(regionMapping, offsets ? 0 : region.busAddress(), 1);
        this.receiveQueue = driver.setupQueue(0, QUEUE_SIZE, memory, CommonConfigLayout.NO_VECTOR);
        this.transmitQueue = driver.setupQueue(1, QUEUE_SIZE, memory, CommonConfigLayout.NO_VECTOR);
        receiveQueue.ring().disableInterrupts();
        transmitQueue.ring().disableInterrupts();
        this.frames = new NetDriver(receiveQueue.ring(), transmitQueue.ring(), memory, slots, frameBytes);
        for (int i = 0; i < MAC_BYTES; i++) {
            mac[i] = (byte) driver.readConfig(CONFIG_MAC + i, 1);
        }
        driver.start();
        receiveQueue.publishAndKick();
    }

    /**
     * Connects, negotiates and starts the device.
     *
     * @param slots frames out, and receive buffers: at most 256
     * @param frameBytes longest frame
     */
    static EmbeddedNic attach(String socketPath, int slots, int frameBytes) throws IOException {
        VfioUserPciDevice pci = new VfioUserPciDevice(VfioUserClient.connect(socketPath));
        try {
            long bytes = RING_BYTES + 2L * slots * (frameBytes + PAGE);
            SharedMemory memory =
                    SharedMemory.create(EmbeddedDisk.GUEST_MEMORY, (bytes + PAGE - 1) & -PAGE, GUEST_BASE);
            try {
                int flags = DmaMapPayload.FLAG_READ | DmaMapPayload.FLAG_WRITE;
                pci.client()
                        .dmaMap(GUEST_BASE, memory.size(), flags, memory.memFd().fd(), 0);
                return new EmbeddedNic(pci, memory, slots, frameBytes);
            } catch (IOException | RuntimeException e) {
                memory.close();
                throw e;
            }
        } catch (IOException | RuntimeException e) {
            pci.close();
            throw e;
        }
    }

    NetDriver frames() {
        return frames;
    }

    byte[] mac() {
        return mac;
    }

    /** Whether rings and buffers are in the device's own memory. */
    boolean isInRegion() {
        return regionMapping != null;
    }

    /** Shows the device frames and buffers. */
    void publish() throws IOException {
        transmitQueue.publishAndKick();
        receiveQueue.publishAndKick();
    }

    /** Whether the device has given up. */
    boolean needsReset() throws IOException {
        return driver.needsReset();
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
            guestMemory.close();
        }
    }
}
