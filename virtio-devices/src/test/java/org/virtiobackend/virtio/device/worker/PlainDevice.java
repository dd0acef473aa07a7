package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.VirtioDevice;

/** A device of no type, without features, whose queues are all that a test is about. */
abstract class PlainDevice implements VirtioDevice {
    private final DeviceConfig config = new DeviceConfig(8);
    private final int[] queueSizes;

    PlainDevice(int... queueSizes) {
        this.queueSizes = queueSizes;
    }

    @Override
    public int deviceId() {
        return 42;
    }

    @Override
    public long offeredFeatures() {
        return 0;
    }

    @Override
    public int[] queueMaxSizes() {
        return queueSizes.clone();
    }

    @Override
    public boolean acceptFeatures(long features) {
        return true;
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void reset() {}

    @Override
    public void close() {}
}
