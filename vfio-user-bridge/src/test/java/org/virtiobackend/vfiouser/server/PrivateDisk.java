package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.blk.VirtioBlk.VIRTIO_BLK_S_OK;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_ACCESS_PLATFORM;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.vfiouser.client.BufferDmaTarget;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/** A disk and its driver, which has everything in private memory; some shared memory is there as well. One thread. */
final class PrivateDisk implements AutoCloseable {
    static final long RAM = 1L << 32;
    static final int RAM_BYTES = 4 << 20;
    static final int SLOTS = 16;
    static final int DATA = 8192;
    private static final long SHARED = 1L << 40;
    private static final long SHARED_BYTES = 1 << 20;
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);

    final QemuLikeClient client;
    private final SharedMemory memory;
    private final Mapping view;
    private final MemFd shared;
    private VirtioPciDriver driver;
    private DriverQueue queue;
    private BlkDriver disk;
    private int round;
    private int servedBefore;

    PrivateDisk(TestServer server, ReentrantLock lock, long features) throws IOException {
        memory = SharedMemory.create("private", RAM_BYTES, RAM);
        shared = MemFd.create("shared", SHARED_BYTES);
        view = Mapping.map(memory.memFd().fd(), 0, RAM_BYTES, Mapping.PROT_READ | Mapping.PROT_WRITE);
        client = new QemuLikeClient(server, lock, new BufferDmaTarget(RAM, view.window(0)));
        client.dmaMap(RAM, RAM_BYTES, null);
        mapShared();
        begin(features);
    }

    void mapShared() throws IOException {
        client.dmaMap(SHARED, SHARED_BYTES, shared.fd());
    }

    void unmapShared() throws IOException {
        client.dmaUnmap(SHARED, SHARED_BYTES);
    }

    /** What a driver does after a reset. */
    void begin(long features) throws IOException {
        driver = VirtioPciDriver.open(client);
        driver.negotiate(features | VIRTIO_F_ACCESS_PLATFORM);
        queue = driver.setupQueue(0, 64, memory, CommonConfigLayout.NO_VECTOR);
        queue.ring().disableInterrupts();
        disk = new BlkDriver(queue.ring(), memory, SLOTS, DATA);
        driver.start();
        round = 0;
    }

    boolean needsReset() throws IOException {
        return driver.needsReset();
    }

    private static byte pattern(int round, int slot, int at) {
        return (byte) (31 * round + 7 * slot + at);
    }

    /** Reads of what the last round wrote in one half of the slots, writes in the other. */
    void submitAll() throws IOException {
        round++;
        servedBefore = client.served();
        for (int slot = 0; slot < SLOTS; slot++) {
            DmaBuffer data = disk.data(slot);
            boolean write = isWrite(round, slot);
            for (int i = 0; i < DATA; i++) {
                data.memory().put(data.offset() + i, write ? pattern(round, slot, i) : 0);
            }
            long sector = (long) slot * DATA / 512;
            assertTrue(write ? disk.write(slot, sector, DATA) : disk.read(slot, sector, DATA));
        }
        disk.publish();
        queue.kick();
    }

    private static boolean isWrite(int round, int slot) {
        return round == 1 || (round + slot) % 2 == 0;
    }

    void awaitAll() throws IOException {
        for (int done = 0; done < SLOTS; done++) {
            int slot = await();
            assertEquals(VIRTIO_BLK_S_OK, disk.status(slot));
            ByteBuffer bytes = disk.data(slot).memory();
            int written = isWrite(round, slot) ? round : round - 1;
            for (int i = 0; i < DATA; i += 61) {
                assertEquals(
                        pattern(written, slot, i), bytes.get(disk.data(slot).offset() + i));
            }
        }
    }

    private int await() throws IOException {
        long start = System.nanoTime();
        int slot;
        for (long looks = 1; (slot = disk.poll()) < 0; looks++) {
            if (looks % 100_000 == 0) {
                assertFalse(driver.needsReset(), "the device needs a reset");
                assertTrue(System.nanoTime() - start < PATIENCE_NANOS, "the device does not answer");
            }
            Thread.onSpinWait();
        }
        return slot;
    }

    /** Lets the device get somewhere in the middle of its requests: a different place each time. */
    void awaitSomeMessages() {
        int until = servedBefore + round % 40;
        TestServer.await("messages", () -> client.served() >= until);
    }

    @Override
    public void close() {
        client.close();
        view.close();
        memory.close();
        shared.close();
    }
}
