package org.virtiobackend.cli;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.IOException;
import org.virtiobackend.devices.net.driver.NetDriver;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
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
    private static final int QUEUE_SIZE = 256;
    private static final int MAC_BYTES = 6;
    private static final long PAGE = 4096;

    private final EmbeddedGuest guest;
    private final VirtioPciDriver driver;
    private final DriverQueue receiveQueue;
    private final DriverQueue transmitQueue;
    private final NetDriver frames;
    private final byte[] mac = new byte[MAC_BYTES];

    private EmbeddedNic(EmbeddedGuest guest, int slots, int frameBytes) throws IOException {
        this.guest = guest;
        this.driver = guest.driver();
        guest.negotiate(FEATURES, 0, guest.hasRegion());
        DriverMemory memory = guest.memory();
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
        long bytes = 2L * slots * (frameBytes + PAGE);
        EmbeddedGuest guest = EmbeddedGuest.connect(socketPath, bytes, VirtioDeviceId.NET);
        try {
            return new EmbeddedNic(guest, slots, frameBytes);
        } catch (IOException | RuntimeException e) {
            guest.close();
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
        return guest.region() != null;
    }

    boolean isLinkUp() throws IOException {
        return (driver.readConfig(CONFIG_STATUS, 2) & VIRTIO_NET_S_LINK_UP) != 0;
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
        guest.close();
    }
}
