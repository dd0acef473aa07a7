package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.DeviceEvents;
import org.virtiobackend.virtio.device.worker.DeviceRuntime;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A driver that resets the device again and again. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ResetMemoryTest {
    private static final int PAIRS = VirtioNet.MAX_QUEUE_PAIRS;
    private static final int RESETS = 300;
    /** What a device with so many pairs takes is 2.3 MiB; the heap grows a little as well. */
    private static final long MOST_BYTES = 300L << 20;

    private static final long BASE = 0x4000_0000L;
    private static final long MEMORY_BYTES = 4L << 20;
    private static final DeviceEvents NOBODY = new DeviceEvents() {
        @Override
        public void usedBufferNotification(int queue) {}

        @Override
        public void needsReset(Throwable cause) {}
    };

    private static long residentBytes() throws IOException {
        String pages = Files.readString(Path.of("/proc/self/statm")).split(" ")[1];
        return Long.parseLong(pages) * 4096;
    }

    @Test
    void resetsLeaveNoMemoryBehind() throws Exception {
        try (SharedMemory memory = SharedMemory.create("reset-test", MEMORY_BYTES, BASE);
                DmaMap dmaMap = new DmaMap();
                WorkerPool workers = new WorkerPool(1, 0);
                LoopbackBackend backend = new LoopbackBackend(PAIRS);
                VirtioNetDevice device = new VirtioNetDevice(backend, new NetSettings(NetFixture.MAC, 0, PAIRS, 64))) {
            dmaMap.map(BASE, MEMORY_BYTES, true, true, memory.memFd().fd().duplicate(), 0);
            long features = device.offeredFeatures() | VirtioFeature.VIRTIO_F_VERSION_1;
            int[] sizes = device.queueMaxSizes();
            QueueConfig[] configs = new QueueConfig[sizes.length];
            for (int i = 0; i < sizes.length; i++) {
                SplitDriverQueue ring = SplitDriverQueue.create(i, sizes[i], features, memory);
                configs[i] = new QueueConfig(i, sizes[i], ring.queueDesc(), ring.queueDriver(), ring.queueDevice());
            }
            long before = 0;
            for (int i = 0; i <= RESETS; i++) {
                assertTrue(device.acceptFeatures(features));
                DeviceRuntime.start(device, features, configs, dmaMap::newSpace, workers, NOBODY)
                        .awaitStopped();
                device.reset();
                before = i == 0 ? residentBytes() : before;
            }
            long more = residentBytes() - before;
            assertTrue(more < MOST_BYTES, RESETS + " resets took " + more + " bytes");
        }
    }
}
