package org.virtiobackend.virtio.pci.driver;

import java.io.IOException;
import java.util.function.IntSupplier;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/** An enabled queue: its ring and its notification address. One thread. */
public final class DriverQueue {
    private final PciDevice device;
    private final int index;
    private final DriverVirtqueue ring;
    private final int bar;
    private final long notifyAddress;
    private final int notifyValue;
    private final IntSupplier nextOffset;

    /**
     * @param notifyValue what identifies the queue in a notification
     * @param nextOffset ring position that a notification carries with NOTIFICATION_DATA: next_off and next_wrap as 16
     *     bits (virtio 1.4 2.9); null without
     */
    DriverQueue(
            PciDevice device,
            int index,
            DriverVirtqueue ring,
            int bar,
            long notifyAddress,
            int notifyValue,
            IntSupplier nextOffset) {
        this.device = device;
        this.index = index;
        this.ring = ring;
        this.bar = bar;
        this.notifyAddress = notifyAddress;
        this.notifyValue = notifyValue;
        this.nextOffset = nextOffset;
    }

    public int index() {
        return index;
    }

    public DriverVirtqueue ring() {
        return ring;
    }

    /** Makes what was added available and notifies the device if it asks for that; true when it was notified. */
    public boolean publishAndKick() throws IOException {
        ring.publish();
        if (!ring.deviceWantsKick()) {
            return false;
        }
        kick();
        return true;
    }

    /** Available buffer notification, posted: the caller does not wait for the device (virtio 1.4 4.1.5.2). */
    public void kick() throws IOException {
        if (nextOffset != null) {
            long next = nextOffset.getAsInt();
            device.barWritePosted(bar, notifyAddress, 4, notifyValue | next << 16);
        } else {
            device.barWritePosted(bar, notifyAddress, 2, notifyValue);
        }
    }
}
