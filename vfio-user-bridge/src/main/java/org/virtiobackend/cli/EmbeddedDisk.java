package org.virtiobackend.cli;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/**
 * A block device that this process drives, over a real socket: what a guest's firmware and driver do. Guest memory is
 * a memfd that is shared with the device; with a region the rings and buffers live in the device's memory instead.
 * One thread.
 */
final class EmbeddedDisk implements AutoCloseable {
    /** Features that cost nothing to accept. */
    static final long PLAIN_FEATURES = VIRTIO_BLK_F_SIZE_MAX
            | VIRTIO_BLK_F_SEG_MAX
            | VIRTIO_BLK_F_RO
            | VIRTIO_BLK_F_BLK_SIZE
            | VIRTIO_BLK_F_FLUSH
            | VIRTIO_BLK_F_TOPOLOGY
            | VIRTIO_BLK_F_DISCARD
            | VIRTIO_BLK_F_WRITE_ZEROES
            | VirtioFeature.VIRTIO_F_EVENT_IDX
            | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM
            | VirtioFeature.VIRTIO_F_ORDER_PLATFORM
            | VirtioFeature.VIRTIO_F_NOTIF_CONFIG_DATA;

    private static final int QUEUE_SIZE = 256;
    private static final long PAGE = 4096;
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(30);
    private static final int SPINS_PER_LOOK = 1 << 14;

    private final EmbeddedGuest guest;
    private final VirtioPciDriver driver;
    private final DriverQueue queue;
    private final BlkDriver requests;
    private final long capacityBytes;

    /**
     * How to drive it.
     *
     * @param slots requests out at a time
     * @param dataBytes largest request
     * @param place where rings and data are; in the device's memory by DMB if offered, else by SWIOTLB
     * @param indirect use indirect descriptors
     * @param more features to accept beyond {@link #PLAIN_FEATURES}
     * @param less features not to accept
     */
    record Shape(int slots, int dataBytes, BufferPlace place, boolean indirect, long more, long less) {
        Shape(int slots, int dataBytes, BufferPlace place, boolean indirect) {
            this(slots, dataBytes, place, indirect, 0, 0);
        }
    }

    private EmbeddedDisk(EmbeddedGuest guest, Shape shape) throws IOException {
        this.guest = guest;
        this.driver = guest.driver();
        long wanted = PLAIN_FEATURES | shape.more() | (shape.indirect() ? VirtioFeature.VIRTIO_F_INDIRECT_DESC : 0);
        guest.negotiate(wanted, shape.less(), shape.place().inRegion());
        this.queue = driver.setupQueue(0, QUEUE_SIZE, guest.memory(), CommonConfigLayout.NO_VECTOR);
        queue.ring().disableInterrupts();
        this.requests = shape.place() == BufferPlace.bounce
                ? BlkDriver.bouncing(queue.ring(), guest.pool(), shape.slots(), shape.dataBytes())
                : new BlkDriver(queue.ring(), guest.memory(), shape.slots(), shape.dataBytes());
        driver.start();
        this.capacityBytes = driver.readConfig(CONFIG_CAPACITY, 8) * SECTOR_BYTES;
    }

    /** Connects, negotiates and starts the device. */
    static EmbeddedDisk attach(String socketPath, Shape shape) throws IOException {
        long bytes = (long) shape.slots() * (shape.dataBytes() + PAGE);
        EmbeddedGuest guest = EmbeddedGuest.connect(socketPath, bytes, VirtioDeviceId.BLOCK);
        try {
            return new EmbeddedDisk(guest, shape);
        } catch (IOException | RuntimeException e) {
            guest.close();
            throw e;
        }
    }

    VirtioPciDriver driver() {
        return driver;
    }

    /** The device's memory in use, or null. */
    DeviceRegion region() {
        return guest.region();
    }

    /** The bounce pool in the device's memory, or null. */
    BouncePool pool() {
        return guest.pool();
    }

    BlkDriver requests() {
        return requests;
    }

    long capacityBytes() {
        return capacityBytes;
    }

    int queueSize() {
        return queue.ring().size();
    }

    /** Shows the device what was submitted. */
    void publish() throws IOException {
        queue.publishAndKick();
    }

    /** The slot of the next finished request; polls until there is one. */
    int await() throws IOException {
        int slot = requests.poll();
        if (slot >= 0) {
            return slot;
        }
        long start = System.nanoTime();
        while (true) {
            for (int i = 0; i < SPINS_PER_LOOK; i++) {
                slot = requests.poll();
                if (slot >= 0) {
                    return slot;
                }
                Thread.onSpinWait();
            }
            Thread.yield(); // the device may be waiting for this very processor
            if (System.nanoTime() - start > ANSWER_NANOS) {
                throw new IOException(driver.needsReset() ? "the device needs a reset" : "the device does not answer");
            }
        }
    }

    /** One request after which nothing is out; returns its status. */
    int serve(int slot) throws IOException {
        publish();
        int done = await();
        if (done != slot) {
            throw new IOException("slot " + done + " came back in place of " + slot);
        }
        return requests.status(slot);
    }

    @Override
    public void close() throws IOException {
        guest.close();
    }
}
