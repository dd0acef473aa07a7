package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.blk.BlkSettings;
import org.virtiobackend.devices.blk.VirtioBlkDevice;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.ImageException;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.GuestMemoryPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** Disks in use whose client has private memory, and takes something away from them in the middle of requests. */
@Timeout(120)
class PrivateMemoryDiskTest {
    private static final int ROUNDS = 60;

    private final ReentrantLock lock = new ReentrantLock();
    private final List<BlockBackend> images = new ArrayList<>();

    @TempDir
    private Path directory;

    private TestServer server;
    private WorkerPool workers;
    private IoPool ioPool;

    @BeforeEach
    void start() throws Exception {
        workers = new WorkerPool(1, 0);
        ioPool = new IoPool(1);
        server = new TestServer(directory, SessionTimes.DEFAULT, this::function);
    }

    @AfterEach
    void stop() {
        server.close();
        workers.close();
        ioPool.close();
        images.forEach(BlockBackend::close);
    }

    private static BlockBackend image() {
        try {
            return RamBackend.create((long) PrivateDisk.SLOTS * PrivateDisk.DATA);
        } catch (ErrnoException | ImageException e) {
            throw new AssertionError(e);
        }
    }

    private synchronized PciFunction function(DmaMap dmaMap, ClientSession session) {
        BlockBackend image = image();
        images.add(image);
        VirtioPciOptions options = VirtioPciOptions.defaults();
        VirtioPciFunction function = new VirtioPciFunction(
                new VirtioBlkDevice(image, ioPool, new BlkSettings("private", false, 512, 1, 64, false)),
                new GuestMemoryPolicy(dmaMap),
                workers,
                options.withTransportFeatures(options.transportFeatures() | VIRTIO_F_RING_PACKED));
        function.setQuiesceWaiter(session::await);
        dmaMap.setUser(function);
        return function;
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void sharedMemoryGoesWhileRequestsInPrivateMemoryAreOut(long features) throws Exception {
        try (PrivateDisk disk = new PrivateDisk(server, lock, features)) {
            for (int i = 0; i < ROUNDS; i++) {
                disk.submitAll();
                disk.awaitSomeMessages();
                disk.unmapShared();
                disk.mapShared();
                disk.awaitAll();
            }
            assertFalse(disk.needsReset());
        }
    }

    private interface Command {
        void run() throws IOException;
    }

    /** In the middle of requests, a different place each time; between the two nothing may be asked for. */
    private static void takeAwayAndGiveBack(PrivateDisk disk, Command takeAway, Command giveBack) throws IOException {
        for (int i = 0; i < ROUNDS; i++) {
            disk.submitAll();
            disk.awaitSomeMessages();
            disk.client.forbid(address -> true);
            takeAway.run();
            disk.client.configRead(0, 4); // time for a mistake
            disk.client.allow();
            giveBack.run();
            disk.awaitAll();
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void privateMemoryThatWentIsNotAskedForBeforeItComesBack(long features) throws Exception {
        try (PrivateDisk disk = new PrivateDisk(server, lock, features)) {
            QemuLikeClient client = disk.client;
            takeAwayAndGiveBack(
                    disk,
                    () -> client.dmaUnmap(PrivateDisk.RAM, PrivateDisk.RAM_BYTES),
                    () -> client.dmaMap(PrivateDisk.RAM, PrivateDisk.RAM_BYTES, null));
            assertFalse(client.wasBroken(), "asked for memory after the reply to DMA_UNMAP");
            assertFalse(disk.needsReset());
        }
    }

    /** PCI: a function that is no bus master makes no request; what it had begun it does again. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void requestsGoOnWhenBusMasteringComesBack(long features) throws Exception {
        try (PrivateDisk disk = new PrivateDisk(server, lock, features)) {
            QemuLikeClient client = disk.client;
            int command = (int) client.configRead(PciRegisters.COMMAND, 2);
            takeAwayAndGiveBack(
                    disk,
                    () -> client.configWrite(PciRegisters.COMMAND, 2, command & ~PciRegisters.COMMAND_MASTER),
                    () -> client.configWrite(PciRegisters.COMMAND, 2, command));
            assertFalse(client.wasBroken(), "a message without bus mastering");
            assertFalse(disk.needsReset());
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void resetEndsWhatIsUnderWay(long features) throws Exception {
        try (PrivateDisk disk = new PrivateDisk(server, lock, features)) {
            QemuLikeClient client = disk.client;
            for (int i = 0; i < 8; i++) {
                disk.submitAll();
                disk.awaitSomeMessages();
                client.forbid(address -> true);
                client.reset();
                client.configRead(0, 4);
                client.allow();
                disk.begin(features);
                disk.submitAll();
                disk.awaitAll();
            }
            assertFalse(client.wasBroken(), "a message of the device before the reset");
        }
    }

    /** The worker waits for one device's memory when another's control wants it, and the client answers neither before the other. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void devicesOfOneClientThatShareAWorkerDoNotWaitForEachOther(long features) throws Exception {
        try (PrivateDisk first = new PrivateDisk(server, lock, features);
                PrivateDisk second = new PrivateDisk(server, lock, features)) {
            for (int i = 0; i < ROUNDS; i++) {
                first.submitAll();
                second.submitAll();
                first.awaitSomeMessages();
                second.unmapShared();
                second.mapShared();
                second.client.dmaUnmap(PrivateDisk.RAM, PrivateDisk.RAM_BYTES);
                first.unmapShared();
                first.mapShared();
                second.client.dmaMap(PrivateDisk.RAM, PrivateDisk.RAM_BYTES, null);
                first.awaitAll();
                second.awaitAll();
            }
            assertFalse(first.needsReset());
            assertFalse(second.needsReset());
        }
    }
}
