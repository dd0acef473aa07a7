package org.virtiobackend.example;

import java.nio.ByteBuffer;
import java.security.SecureRandom;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** virtio-rng: fills every buffer with random bytes (virtio 1.4 5.4). */
final class EntropyDevice implements VirtioDevice {
    private final DeviceConfig config = new DeviceConfig(0);
    private final SecureRandom random = new SecureRandom();
    private final ByteBuffer bytes = ByteBuffer.allocate(4096);

    @Override
    public int deviceId() {
        return 4;
    }

    @Override
    public long offeredFeatures() {
        return 0;
    }

    @Override
    public int[] queueMaxSizes() {
        return new int[] {256};
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext context) {
        context.attach(0, this::drain);
    }

    private int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int taken = 0;
        for (DescriptorChain chain; taken < budget && (chain = queue.poll()) != null; taken++) {
            random.nextBytes(bytes.array());
            int length = (int) Math.min(bytes.capacity(), chain.writable().capacity());
            chain.writable().put(bytes, 0, length);
            chain.complete(length);
        }
        return taken;
    }
}
