package org.virtiobackend.virtio.pci.driver;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.function.IntSupplier;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/** Configures virtqueues of a device (virtio 1.4 4.1.5.1.3). */
final class QueueSetup {
    private static final int MAX_RING_SIZE = 32768;

    private final PciDevice device;
    private final VirtioStructures structures;
    private final VirtioRegisters registers;

    QueueSetup(PciDevice device, VirtioStructures structures, VirtioRegisters registers) {
        this.device = device;
        this.structures = structures;
        this.registers = registers;
    }

    /** Selects a queue and agrees on its size: what the device supports, or {@code maxSize} when that is less. */
    int settleSize(int index, int maxSize, boolean packed) throws IOException {
        registers.selectQueue(index);
        int size = (int) registers.common(QUEUE_SIZE, 2);
        if (size == 0) {
            throw new VirtioDriverException("device has no queue " + index);
        }
        boolean regular = Integer.bitCount(size) == 1 || packed;
        if (size > MAX_RING_SIZE || !regular) {
            throw new VirtioDriverException("device says queue " + index + " has " + size + " entries");
        }
        if (size > maxSize) {
            registers.common(QUEUE_SIZE, 2, maxSize);
            if (registers.common(QUEUE_SIZE, 2) != maxSize) {
                throw new VirtioDriverException("device does not accept " + maxSize + " entries for queue " + index);
            }
            return maxSize;
        }
        return size;
    }

    DriverQueue enable(int index, DriverVirtqueue ring, long features, IntSupplier nextOffset) throws IOException {
        registers.selectQueue(index);
        registers.common64(QUEUE_DESC, ring.queueDesc());
        registers.common64(QUEUE_DRIVER, ring.queueDriver());
        registers.common64(QUEUE_DEVICE, ring.queueDevice());
        boolean data = (features & VirtioFeature.VIRTIO_F_NOTIFICATION_DATA) != 0;
        if (data && nextOffset == null) {
            throw new VirtioDriverException("no ring position for NOTIFICATION_DATA");
        }
        long at = notifyOffset(data ? 4 : 2);
        boolean configData = (features & VirtioFeature.VIRTIO_F_NOTIF_CONFIG_DATA) != 0;
        int value = configData ? (int) registers.common(QUEUE_NOTIF_CONFIG_DATA, 2) : index;
        registers.common(QUEUE_ENABLE, 2, 1);
        if (registers.common(QUEUE_ENABLE, 2) != 1) {
            throw new VirtioDriverException("device does not enable queue " + index);
        }
        long address = structures.notification().offset() + at;
        return new DriverQueue(
                device, index, ring, structures.notification().bar(), address, value, data ? nextOffset : null);
    }

    /** Where the selected queue is notified, in the notification structure. */
    private long notifyOffset(int width) throws IOException {
        long at = registers.common(QUEUE_NOTIFY_OFF, 2) * structures.notifyMultiplier();
        if (at > structures.notification().length() - width) {
            throw new VirtioDriverException("device puts a notification outside its structure");
        }
        return at;
    }
}
