package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.blk.BlkSettings;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.VirtioBlkDevice;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.client.VfioUserPciDevice;
import org.virtiobackend.vfiouser.wire.DmaMapPayload;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.GuestMemoryPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/** DMA_UNMAP of the memory that holds a live device's rings, and DMA_MAP of it again. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class RingMemoryTest {
    private static final long BASE = 1L << 32;
    private static final int NO_VECTOR = 0xffff;
    private static final String SERIAL = "comes and goes";

    @TempDir
    private Path directory;

    private SharedMemory memory;
    private VfioUserClient client;
    private DriverQueue queue;
    private DmaBuffer[] request;
    private DmaBuffer[] reply;

    @ParameterizedTest
    @ValueSource(longs = {0, WorkerPool.ADAPTIVE, WorkerPool.ALWAYS})
    void queueGoesOnWhenItsRingsAreMappedAgain(long pollMicros) throws Exception {
        String path = directory.resolve("blk.sock").toString();
        try (WorkerPool workers = new WorkerPool(1, pollMicros);
                IoPool pool = new IoPool(1);
                RamBackend image = RamBackend.create(1 << 20);
                VfioUserServer server = serve(path, workers, pool, image);
                SharedMemory guest = SharedMemory.create("guest", 1 << 20, BASE);
                VfioUserClient connected = VfioUserClient.connect(path)) {
            memory = guest;
            client = connected;
            map();
            try (VirtioPciDriver driver = VirtioPciDriver.open(new VfioUserPciDevice(client))) {
                driver.negotiate(VirtioFeature.VIRTIO_F_EVENT_IDX);
                queue = driver.setupQueue(0, 16, memory, NO_VECTOR);
                driver.start();
                request = new DmaBuffer[] {memory.allocate(VirtioBlk.HEADER_BYTES, 16)};
                reply = new DmaBuffer[] {memory.allocate(VirtioBlk.ID_BYTES + 1, 16)};
                request[0].memory().putInt(request[0].offset(), VirtioBlk.VIRTIO_BLK_T_GET_ID);
                for (int round = 0; round < 20; round++) {
                    submit();
                    awaitSerial();
                    client.dmaUnmap(BASE, memory.size());
                    if (round % 2 == 0) {
                        submit(); // while the rings are nowhere
                        map();
                    } else {
                        map();
                        submit();
                    }
                    awaitSerial();
                }
            }
            assertEquals(1, server.sessionCount());
        }
    }

    private void map() throws Exception {
        int flags = DmaMapPayload.FLAG_READ | DmaMapPayload.FLAG_WRITE;
        client.dmaMap(BASE, memory.size(), flags, memory.memFd().fd(), 0);
    }

    private void submit() throws Exception {
        for (int i = 0; i < VirtioBlk.ID_BYTES; i++) {
            reply[0].memory().put(reply[0].offset() + i, (byte) -1);
        }
        queue.ring().add(request, 1, reply, 1);
        queue.publishAndKick();
    }

    private void awaitSerial() {
        TestServer.await("an answer", () -> queue.ring().pollUsed() >= 0);
        byte[] serial = new byte[SERIAL.length()];
        reply[0].memory().get(reply[0].offset(), serial);
        assertEquals(SERIAL, new String(serial, StandardCharsets.US_ASCII));
    }

    private static VfioUserServer serve(String path, WorkerPool workers, IoPool pool, RamBackend image)
            throws Exception {
        BlkSettings settings = new BlkSettings(SERIAL, false, 512, 1, 64, false);
        return VfioUserServer.listen(
                path,
                (dmaMap, session) -> {
                    VirtioPciFunction function = new VirtioPciFunction(
                            new VirtioBlkDevice(image, pool, settings),
                            new GuestMemoryPolicy(dmaMap),
                            workers,
                            VirtioPciOptions.defaults());
                    dmaMap.setUser(function);
                    function.setQuiesceWaiter(session::await);
                    return function;
                },
                SessionListener.LOGGING);
    }
}
