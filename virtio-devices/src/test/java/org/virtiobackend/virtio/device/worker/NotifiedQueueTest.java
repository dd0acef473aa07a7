package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Queues whose handler asks for {@link QueueHandler#awaitsNotification}; queue 0 is one, queue 1 is not. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class NotifiedQueueTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    private static final int SIZE = 64;

    private final EchoDevice device = new EchoDevice();
    private final DmaMap dmaMap = new DmaMap();
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    private final DriverVirtqueue[] drivers = new DriverVirtqueue[2];
    private SharedMemory memory;
    private DmaBuffer[] out;
    private DmaBuffer[] in;
    private WorkerPool pool;
    private DeviceRuntime runtime;

    @BeforeEach
    void setUp() throws Exception {
        memory = SharedMemory.create("notified-test", BYTES, BASE);
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        out = new DmaBuffer[] {memory.allocate(64, 16)};
        in = new DmaBuffer[] {memory.allocate(64, 16)};
    }

    @AfterEach
    void tearDown() {
        runtime.awaitStopped();
        pool.close();
        device.close();
        dmaMap.close();
        memory.close();
    }

    private void start(long features, long pollMicros) throws Exception {
        device.notifiedQueue = 0;
        QueueConfig[] configs = new QueueConfig[drivers.length];
        for (int i = 0; i < drivers.length; i++) {
            DriverVirtqueue driver = (features & VirtioFeature.VIRTIO_F_RING_PACKED) != 0
                    ? PackedDriverQueue.create(i, SIZE, features, memory)
                    : SplitDriverQueue.create(i, SIZE, features, memory);
            configs[i] = new QueueConfig(i, SIZE, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            drivers[i] = driver;
        }
        pool = new WorkerPool(1, pollMicros);
        DeviceEvents events = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int queue) {}

            @Override
            public void needsReset(Throwable cause) {
                failure.complete(cause);
            }
        };
        runtime = DeviceRuntime.start(device, features, configs, dmaMap::newSpace, pool, events);
    }

    private void add(int queue) {
        assertTrue(drivers[queue].add(out, 1, in, 1) >= 0);
        drivers[queue].publish();
    }

    private void awaitUsed(int queue) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (drivers[queue].pollUsed() < 0) {
            assertTrue(System.nanoTime() < deadline && !failure.isDone(), "used in time");
            Thread.onSpinWait();
        }
    }

    @Test
    void bufferIsNotLookedAtBeforeItsNotification() throws Exception {
        start(0, WorkerPool.ALWAYS);
        add(1);
        awaitUsed(1); // the worker has begun
        add(0);
        for (int round = 0; round < 3; round++) {
            add(1);
            awaitUsed(1); // found by polling, and queue 0 had its turn as well
        }
        assertEquals(-1, drivers[0].pollUsed());
        runtime.kick(0);
        awaitUsed(0);
    }

    /** A driver adds it when it has seen the one before: that one's notification does not count. */
    @ParameterizedTest
    @CsvSource({"false, -1", "true, -1", "false, 0", "true, 0"})
    void norIsTheNextOne(boolean eventIdx, long pollMicros) throws Exception {
        start(eventIdx ? VirtioFeature.VIRTIO_F_EVENT_IDX : 0, pollMicros);
        add(1);
        runtime.kick(1);
        awaitUsed(1); // the worker has begun
        for (int round = 0; round < 100; round++) {
            add(0);
            assertTrue(drivers[0].deviceWantsKick());
            for (int n = 0; n < 2; n++) {
                add(1);
                runtime.kick(1);
                awaitUsed(1);
            }
            assertEquals(-1, drivers[0].pollUsed());
            runtime.kick(0);
            awaitUsed(0);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "false, false, -2",
        "false, true, -2",
        "true, false, -2",
        "true, true, -2",
        "false, true, -1",
        "true, true, -1",
        "false, false, 0",
        "false, true, 0",
        "true, false, 0",
        "true, true, 0"
    })
    void noBufferIsForgotten(boolean packed, boolean eventIdx, long pollMicros) throws Exception {
        long features =
                (packed ? VirtioFeature.VIRTIO_F_RING_PACKED : 0) | (eventIdx ? VirtioFeature.VIRTIO_F_EVENT_IDX : 0);
        start(features, pollMicros);
        for (int i = 0; i < 2_000; i++) {
            int burst = 1 + i % 7;
            for (int n = 0; n < burst; n++) {
                add(0);
                if (drivers[0].deviceWantsKick()) {
                    runtime.kick(0);
                }
            }
            for (int n = 0; n < burst; n++) {
                awaitUsed(0);
            }
        }
    }
}
