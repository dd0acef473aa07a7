package org.virtiobackend.example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.client.VfioUserPciDevice;
import org.virtiobackend.vfiouser.server.SessionListener;
import org.virtiobackend.vfiouser.server.VfioUserServer;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.GuestMemoryPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class EntropyDeviceTest {
    private static final long BASE = 1L << 32;
    private static final int NO_VECTOR = 0xffff;

    @TempDir
    Path directory;

    @Test
    void theReadmeShowsThisDevice() throws Exception {
        String example = Files.readString(Path.of("src/test/java/org/virtiobackend/example/EntropyDevice.java"));
        String readme = Files.readString(Path.of("../README.md"));
        String body = example.substring(example.indexOf("/** virtio-rng"));
        assertTrue(readme.contains(body), "README.md shows another version of EntropyDevice");
        assertTrue(example.lines().count() <= 60, "a device in at most 60 lines");
    }

    @Test
    void itServesADriverOverARealSocket() throws Exception {
        String path = directory.resolve("rng.sock").toString();
        try (WorkerPool workers = new WorkerPool(1, WorkerPool.ADAPTIVE);
                VfioUserServer server = serve(path, workers);
                SharedMemory memory = SharedMemory.create("guest", 1 << 20, BASE);
                VfioUserClient client = VfioUserClient.connect(path)) {
            client.dmaMap(
                    BASE,
                    memory.size(),
                    DmaMapPayload.FLAG_READ | DmaMapPayload.FLAG_WRITE,
                    memory.memFd().fd(),
                    0);
            try (VirtioPciDriver driver = VirtioPciDriver.open(new VfioUserPciDevice(client))) {
                assertEquals(4, driver.deviceId());
                driver.negotiate(0);
                DriverQueue queue = driver.setupQueue(0, 16, memory, NO_VECTOR);
                driver.start();
                byte[] first = ask(queue, memory.allocate(64, 16));
                byte[] second = ask(queue, memory.allocate(64, 16));
                assertFalse(java.util.Arrays.equals(first, second));
                assertFalse(java.util.Arrays.equals(new byte[64], first));
            }
            assertEquals(1, server.sessionCount());
        }
    }

    private static VfioUserServer serve(String path, WorkerPool workers) throws Exception {
        return VfioUserServer.listen(
                path,
                (dmaMap, session) -> {
                    VirtioPciFunction function = new VirtioPciFunction(
                            new EntropyDevice(), new GuestMemoryPolicy(dmaMap), workers, VirtioPciOptions.defaults());
                    dmaMap.setUser(function);
                    function.setQuiesceWaiter(session::await);
                    return function;
                },
                SessionListener.LOGGING);
    }

    private static byte[] ask(DriverQueue queue, DmaBuffer buffer) throws Exception {
        queue.ring().add(new DmaBuffer[0], 0, new DmaBuffer[] {buffer}, 1);
        queue.publishAndKick();
        while (queue.ring().pollUsed() < 0) {
            Thread.onSpinWait();
        }
        assertEquals(64, queue.ring().usedLength());
        byte[] bytes = new byte[64];
        buffer.memory().get(buffer.offset(), bytes);
        return bytes;
    }
}
