package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/**
 * Row 37 with two clients on one worker: the memory of one goes. Compiled code of JDK 17 finds that at the next native call, which is
 * the other device's.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class LateFaultTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    private static final long GOING = 0x1000;

    private static final class Client implements DeviceEvents, AutoCloseable {
        final EchoDevice device = new EchoDevice();
        final DmaMap dmaMap = new DmaMap();
        final CompletableFuture<Throwable> failure = new CompletableFuture<>();
        final SharedMemory memory = SharedMemory.create("late-fault", BYTES, BASE);
        final SplitDriverQueue driver = SplitDriverQueue.create(0, 16, 0, memory);
        final DmaBuffer out = memory.allocate(64, 16);
        final DmaBuffer in = memory.allocate(64, 16);
        final DeviceRuntime runtime;

        Client(WorkerPool pool) throws Exception {
            dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
            QueueConfig config = new QueueConfig(0, 16, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            runtime = DeviceRuntime.start(device, 0, new QueueConfig[] {config, null}, dmaMap::newSpace, pool, this);
        }

        void submit(long target) {
            assertTrue(driver.add(new long[] {out.dmaAddress(), target}, new int[] {64, 64}, 1, 1) >= 0);
            driver.publish();
        }

        void awaitUsed() {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (driver.pollUsed() < 0) {
                assertFalse(failure.isDone(), () -> "failed: " + failure.join());
                assertTrue(System.nanoTime() < deadline, "used in time");
                Thread.onSpinWait();
            }
        }

        @Override
        public void usedBufferNotification(int queue) {}

        @Override
        public void needsReset(Throwable cause) {
            failure.complete(cause);
        }

        @Override
        public void close() {
            runtime.awaitStopped();
            device.close();
            dmaMap.close();
            memory.close();
        }
    }

    @Test
    void failsTheDeviceWhoseMemoryHasGone() throws Exception {
        java.nio.file.Path file = java.nio.file.Files.createTempFile("dma", null);
        try (Fd fd = FileIo.open(file.toString(), FileIo.O_RDWR, 0);
                EventFd event = EventFd.create();
                WorkerPool pool = new WorkerPool(1, WorkerPool.ALWAYS);
                Client first = new Client(pool);
                Client second = new Client(pool)) {
            FileIo.truncate(fd, 4096);
            first.dmaMap.map(GOING, 4096, true, true, fd.duplicate(), 0);
            second.device.waitFor = event; // looks at it, by a system call, whenever it is its turn
            for (int i = 0; i < 20_000; i++) { // until it is compiled
                first.submit(GOING);
                first.awaitUsed();
            }
            FileIo.truncate(fd, 0);
            first.submit(GOING);
            assertInstanceOf(InternalError.class, first.failure.get(20, TimeUnit.SECONDS));
            for (int i = 0; i < 100; i++) {
                second.submit(second.in.dmaAddress());
                second.awaitUsed();
            }
            assertFalse(second.failure.isDone());
        } finally {
            java.nio.file.Files.delete(file);
        }
    }
}
