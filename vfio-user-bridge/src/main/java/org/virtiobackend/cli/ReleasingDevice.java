package org.virtiobackend.cli;

import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;

/** A device that gives back what was taken for its client when it is closed. */
final class ReleasingDevice implements VirtioDevice {
    private final VirtioDevice device;
    private final Runnable afterClose;

    ReleasingDevice(VirtioDevice device, Runnable afterClose) {
        this.device = device;
        this.afterClose = afterClose;
    }

    @Override
    public int deviceId() {
        return device.deviceId();
    }

    @Override
    public long offeredFeatures() {
        return device.offeredFeatures();
    }

    @Override
    public int[] queueMaxSizes() {
        return device.queueMaxSizes();
    }

    @Override
    public boolean acceptFeatures(long features) {
        return device.acceptFeatures(features);
    }

    @Override
    public DeviceConfig config() {
        return device.config();
    }

    @Override
    public void activate(DeviceContext context) throws DeviceActivationException {
        device.activate(context);
    }

    @Override
    public void reset() {
        device.reset();
    }

    @Override
    public void close() {
        try {
            device.close();
        } finally {
            afterClose.run();
        }
    }
}
