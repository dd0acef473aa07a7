package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import io.netty.buffer.ByteBuf;
import java.util.function.Supplier;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.QueueConfig;

/**
 * The common configuration structure (virtio 1.4 4.1.4.3): selectors, features, status, queue registers. Control
 * thread.
 *
 * <p>A driver uses each field's own width (4.1.3.1). Any other access works too: a read is the bytes of the fields it
 * touches, a write changes those bytes and leaves the rest of each field as it reads. What cannot be written keeps its
 * value.
 */
final class CommonConfig implements StatusMachine.Steps {
    /** What the structure sets in motion. */
    interface Owner {
        /** The memory for an activation with these features. */
        Supplier<DmaSpace> spaces(long features);

        /** 0 was written to the status. */
        void resetByDriver();
    }

    private static final int NO_SHM_ID = -1;
    private static final long LOW = 0xffff_ffffL;
    /** Start of the field that each byte belongs to, and its width. */
    private static final int[] FIELD = new int[LENGTH_WITH_DMB];

    private static final int[] WIDTH = new int[LENGTH_WITH_DMB];

    static {
        int[] widths = {4, 4, 4, 4, 2, 2, 1, 1, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2};
        int at = 0;
        for (int width : widths) {
            for (int i = 0; i < width; i++) {
                FIELD[at + i] = at;
                WIDTH[at + i] = width;
            }
            at += width;
        }
    }

    private final Owner owner;
    private final FeatureNegotiation features;
    private final VirtioInterrupts interrupts;
    private final DeviceConfigRegion deviceConfig;
    private final QueueRegisters[] queues;
    private final int shmId;
    private final StatusMachine status;
    private DeviceLifecycle lifecycle;

    private long deviceFeatureSelect;
    private long driverFeatureSelect;
    private int queueSelect;
    private int resettingQueues;
    private boolean suspending;

    /** @param shmId what dmb_shm_id reads, or -1 when there is no such register */
    CommonConfig(
            Owner owner,
            FeatureNegotiation features,
            VirtioInterrupts interrupts,
            DeviceConfigRegion deviceConfig,
            int[] queueMaxSizes,
            int shmId) {
        this.owner = owner;
        this.features = features;
        this.interrupts = interrupts;
        this.deviceConfig = deviceConfig;
        this.shmId = shmId;
        this.status = new StatusMachine(this);
        this.queues = new QueueRegisters[queueMaxSizes.length];
        for (int i = 0; i < queues.length; i++) {
            queues[i] = new QueueRegisters(i, queueMaxSizes[i]);
        }
    }

    void setLifecycle(DeviceLifecycle newLifecycle) {
        lifecycle = newLifecycle;
    }

    StatusMachine status() {
        return status;
    }

    /** Bytes of the structure. */
    int length() {
        return shmId == NO_SHM_ID ? LENGTH : LENGTH_WITH_DMB;
    }

    void read(int offset, int length, ByteBuf out) {
        for (int i = 0; i < length; i++) {
            int at = offset + i;
            out.writeByte(at < length() ? (int) (readField(FIELD[at]) >>> (8 * (at - FIELD[at]))) : 0);
        }
    }

    void write(int offset, int length, ByteBuf in) {
        int i = 0;
        while (i < length) {
            int at = offset + i;
            if (at >= length()) {
                in.skipBytes(length - i);
                return;
            }
            int start = FIELD[at];
            int end = Math.min(start + WIDTH[at], offset + length);
            long value = at == start && end == start + WIDTH[at] ? 0 : readField(start);
            for (; at < end; at++, i++) {
                int shift = 8 * (at - start);
                value = value & ~(0xffL << shift) | (long) in.readUnsignedByte() << shift;
            }
            writeField(start, value);
        }
    }

    private long readField(int field) {
        return switch (field) {
            case DEVICE_FEATURE_SELECT -> deviceFeatureSelect;
            case DEVICE_FEATURE -> features.deviceWord(deviceFeatureSelect);
            case DRIVER_FEATURE_SELECT -> driverFeatureSelect;
            case DRIVER_FEATURE -> features.driverWord(driverFeatureSelect);
            case CONFIG_MSIX_VECTOR -> interrupts.configVector();
            case NUM_QUEUES -> queues.length;
            case DEVICE_STATUS -> status.value();
            case CONFIG_GENERATION -> deviceConfig.generation();
            case QUEUE_SELECT -> queueSelect;
            case QUEUE_MSIX_VECTOR -> selected() == null ? NO_VECTOR : interrupts.queueVector(queueSelect);
            case RestrictedDma.DMB_SHM_ID_OFFSET -> shmId;
            default -> readQueueField(field);
        };
    }

    private long readQueueField(int field) {
        QueueRegisters queue = selected();
        if (queue == null) {
            return 0; // virtio 1.4 4.1.4.3.1: queue_size 0 for a queue that is not there
        }
        return switch (field) {
            case QUEUE_SIZE -> queue.size();
            case QUEUE_ENABLE -> queue.isEnabled() ? 1 : 0;
            case QUEUE_NOTIFY_OFF -> queueSelect;
            case QUEUE_DESC -> queue.desc() & LOW;
            case QUEUE_DESC + 4 -> queue.desc() >>> 32;
            case QUEUE_DRIVER -> queue.driver() & LOW;
            case QUEUE_DRIVER + 4 -> queue.driver() >>> 32;
            case QUEUE_DEVICE -> queue.device() & LOW;
            case QUEUE_DEVICE + 4 -> queue.device() >>> 32;
            case QUEUE_NOTIF_CONFIG_DATA -> negotiated(VirtioFeature.VIRTIO_F_NOTIF_CONFIG_DATA) ? queueSelect : 0;
            case QUEUE_RESET -> queue.isResetting() ? 1 : 0;
            default -> 0; // admin_queue_*: not offered
        };
    }

    private void writeField(int field, long value) {
        switch (field) {
            case DEVICE_FEATURE_SELECT -> deviceFeatureSelect = value;
            case DRIVER_FEATURE_SELECT -> driverFeatureSelect = value;
            case DRIVER_FEATURE ->
                features.setDriverWord(driverFeatureSelect, value, status.has(DeviceStatus.FEATURES_OK));
            case CONFIG_MSIX_VECTOR -> interrupts.setConfigVector((int) value);
            case DEVICE_STATUS -> writeStatus((int) value);
            case QUEUE_SELECT -> queueSelect = (int) value;
            default -> {
                if (selected() != null) {
                    writeQueueField(field, value, selected());
                }
            }
        }
    }

    private void writeStatus(int value) {
        if (value == 0) {
            owner.resetByDriver();
        } else {
            status.write(value);
        }
    }

    private void writeQueueField(int field, long value, QueueRegisters queue) {
        if (field == QUEUE_MSIX_VECTOR) {
            interrupts.setQueueVector(queueSelect, (int) value);
            return;
        }
        if (field == QUEUE_RESET) {
            resetQueue((int) value, queue);
            return;
        }
        if (!queue.isOpen(status.isLive())) {
            return;
        }
        switch (field) {
            case QUEUE_SIZE -> queue.setSize((int) value, negotiated(VirtioFeature.VIRTIO_F_RING_PACKED));
            case QUEUE_ENABLE -> enableQueue((int) value, queue);
            case QUEUE_DESC -> queue.setDesc(low(queue.desc(), value));
            case QUEUE_DESC + 4 -> queue.setDesc(high(queue.desc(), value));
            case QUEUE_DRIVER -> queue.setDriver(low(queue.driver(), value));
            case QUEUE_DRIVER + 4 -> queue.setDriver(high(queue.driver(), value));
            case QUEUE_DEVICE -> queue.setDevice(low(queue.device(), value));
            case QUEUE_DEVICE + 4 -> queue.setDevice(high(queue.device(), value));
            default -> {
                // The read-only fields.
            }
        }
    }

    private static long low(long old, long value) {
        return old & ~LOW | value & LOW;
    }

    private static long high(long old, long value) {
        return old & LOW | value << 32;
    }

    /** A driver must not write 0 here (virtio 1.4 4.1.4.3.2): only 1 means something. */
    private void enableQueue(int value, QueueRegisters queue) {
        if (value == 1) {
            queue.enable();
            if (status.isLive()) {
                lifecycle.startQueue(queue.config());
            }
        }
    }

    /** Virtqueue reset (virtio 1.4 4.1.4.3.1): queue_reset reads 1 until the chains in work are back. */
    private void resetQueue(int value, QueueRegisters queue) {
        boolean idle = queue.isEnabled() && !queue.isResetting();
        if (value == 1 && negotiated(VirtioFeature.VIRTIO_F_RING_RESET) && idle) {
            lifecycle.beginStopQueue(queueSelect);
            queue.beginReset();
            resettingQueues++;
            settleQueueResets();
        }
    }

    /** Completes what waited for workers: resets of queues, and a suspension. */
    void settle() {
        if (resettingQueues > 0) {
            settleQueueResets();
        }
        if (suspending && lifecycle.isQuiet() && !status.has(DeviceStatus.DEVICE_NEEDS_RESET)) {
            suspending = false;
            lifecycle.suspended(); // first: a change from here on is told later
            deviceConfig.freeze();
        }
    }

    private void settleQueueResets() {
        for (int i = 0; i < queues.length; i++) {
            if (queues[i].isResetting() && lifecycle.isQueueStopped(i)) {
                lifecycle.endStopQueue(i);
                interrupts.setQueueVector(i, NO_VECTOR);
                queues[i].resetQueue();
                resettingQueues--;
            }
        }
    }

    private boolean negotiated(long feature) {
        return (features.negotiated() & feature) != 0;
    }

    private QueueRegisters selected() {
        return queueSelect < queues.length ? queues[queueSelect] : null;
    }

    @Override
    public boolean settleFeatures() {
        return features.settle();
    }

    @Override
    public void goLive() {
        QueueConfig[] configs = new QueueConfig[queues.length];
        for (int i = 0; i < configs.length; i++) {
            configs[i] = queues[i].isEnabled() ? queues[i].config() : null;
        }
        long negotiated = features.negotiated();
        lifecycle.goLive(negotiated, configs, owner.spaces(negotiated));
    }

    @Override
    public void suspend() {
        if (negotiated(VirtioFeature.VIRTIO_F_SUSPEND) && !suspending) {
            suspending = true;
            lifecycle.beginSuspend();
            settle();
        }
    }

    @Override
    public void resume() {
        deviceConfig.thaw();
        lifecycle.resume();
    }

    /** All registers back to power-on. */
    void reset() {
        features.reset();
        interrupts.reset();
        for (QueueRegisters queue : queues) {
            queue.reset();
        }
        deviceFeatureSelect = 0;
        driverFeatureSelect = 0;
        queueSelect = 0;
        resettingQueues = 0;
        suspending = false;
        deviceConfig.thaw();
        status.reset();
    }
}
