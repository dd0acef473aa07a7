package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class DeviceRuntimeTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    private static final long FEATURES = VirtioFeature.VIRTIO_F_EVENT_IDX;

    private final EchoDevice device = new EchoDevice();
    private final DmaMap dmaMap = new DmaMap();
    private final Semaphore notified = new Semaphore(0);
    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    private final DeviceEvents events = new DeviceEvents() {
        @Override
        public void usedBufferNotification(int queue) {
            notified.release();
        }

        @Override
        public void needsReset(Throwable cause) {
            failure.complete(cause);
        }
    };
    private SharedMemory memory;
    private SplitDriverQueue driver;
    private QueueConfig config;
    private WorkerPool pool;
    private DeviceRuntime runtime;
    private DmaBuffer[] out;
    private DmaBuffer[] in;

    @BeforeEach
    void setUp() throws Exception {
        memory = SharedMemory.create("runtime-test", BYTES, BASE);
        mapAll();
        driver = SplitDriverQueue.create(1, 64, FEATURES, memory);
        config = new QueueConfig(1, 64, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        out = new DmaBuffer[] {memory.allocate(512, 16)};
        in = new DmaBuffer[] {memory.allocate(512, 16)};
    }

    @AfterEach
    void tearDown() {
        if (runtime != null) {
            runtime.awaitStopped();
        }
        if (pool != null) {
            pool.close();
        }
        device.close();
        dmaMap.close();
        memory.close();
    }

    private void mapAll() throws Exception {
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
    }

    private void start(long pollMicros) throws Exception {
        pool = new WorkerPool(2, pollMicros);
        runtime =
                DeviceRuntime.start(device, FEATURES, new QueueConfig[] {null, config}, dmaMap::newSpace, pool, events);
        dmaMap.setUser(runtime);
    }

    private void submit() {
        assertTrue(driver.add(out, 1, in, 1) >= 0);
        driver.publish();
        if (driver.deviceWantsKick()) {
            runtime.kick(1);
        }
    }

    private void awaitUsed(int count) throws Exception {
        int left = count;
        while (left > 0) {
            while (driver.pollUsed() >= 0) {
                left--;
            }
            if (left > 0 && !driver.enableInterrupts()) {
                assertTrue(notified.tryAcquire(10, TimeUnit.SECONDS), "a notification for " + left + " buffers");
            }
        }
    }

    private static void await(BooleanSupplier condition) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() < deadline, "in time");
            Thread.onSpinWait();
        }
    }

    /** A request that the end of the device cuts short, because it waits for the driver's memory for instance, is no failure of it. */
    @Test
    void whatFailsWhileTheDeviceEndsIsNoReasonForAReset() throws Exception {
        start(0);
        device.gate = new CountDownLatch(1);
        device.fault = new VirtqueueException("cut short");
        submit();
        await(() -> device.started > 0);
        runtime.beginStop();
        device.gate.countDown();
        runtime.awaitStopped();
        assertFalse(failure.isDone());
    }

    /** Whoever waits for the present work finds it in the used ring. */
    @ParameterizedTest
    @ValueSource(longs = {0, WorkerPool.ADAPTIVE, WorkerPool.ALWAYS})
    void presentWorkIsShownToTheDriverBeforeTheActionThatWaitsForIt(long pollMicros) throws Exception {
        start(pollMicros);
        for (int i = 0; i < 100; i++) {
            int before = device.started;
            device.delayMicros = 200;
            submit();
            await(() -> device.started > before); // its worker is in the middle of it
            CompletableFuture<Boolean> shown = new CompletableFuture<>();
            runtime.afterPresentWork(() -> shown.complete(driver.pollUsed() >= 0));
            assertTrue(shown.get(10, TimeUnit.SECONDS));
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, WorkerPool.ADAPTIVE, WorkerPool.ALWAYS, 20})
    void servesEveryRequestWhateverTheIdleStrategy(long pollMicros) throws Exception {
        start(pollMicros);
        out[0].memory().putLong(out[0].offset(), 0x1122334455667788L);
        for (int i = 0; i < 5_000; i++) {
            int burst = 1 + i % 40;
            for (int n = 0; n < burst; n++) {
                if (driver.freeDescriptors() >= 2) {
                    submit();
                } else {
                    burst = n;
                }
            }
            awaitUsed(burst);
        }
        assertEquals(0x1122334455667788L, in[0].memory().getLong(in[0].offset()));
        assertEquals(512, driver.usedLength());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, WorkerPool.ADAPTIVE, WorkerPool.ALWAYS})
    void returnsChainsThatOtherThreadsComplete(long pollMicros) throws Exception {
        device.deferWork = true;
        start(pollMicros);
        for (int i = 0; i < 2_000; i++) {
            for (int n = 0; n < 16; n++) {
                submit();
            }
            awaitUsed(16);
        }
        assertEquals(32_000, runtime.statistics(1).requests());
        assertEquals(32_000L * 512, runtime.statistics(1).bytesWritten());
    }

    @Test
    void stopsOnlyWhenChainsInFlightAreBack() throws Exception {
        device.deferWork = true;
        device.echoGate = new CountDownLatch(1);
        start(0);
        submit();
        await(() -> device.started > 0);
        try {
            runtime.beginStop();
            for (int i = 0; i < 10_000; i++) { // the worker hears of it meanwhile
                assertFalse(runtime.isStopped());
                Thread.yield();
            }
        } finally {
            device.echoGate.countDown();
        }
        runtime.awaitStopped();
        assertTrue(runtime.isStopped());
        assertTrue(driver.pollUsed() >= 0, "the chain in flight came back first");
    }

    @Test
    void unmapWaitsForChainsInFlightAndTheQueueGoesOnWhenTheMemoryReturns() throws Exception {
        for (boolean deferred : new boolean[] {false, true}) {
            device.deferWork = deferred;
            if (runtime == null) {
                start(WorkerPool.ADAPTIVE);
            }
            for (int i = 0; i < 300; i++) {
                for (int n = 0; n < 20; n++) {
                    submit();
                }
                // An access after munmap would kill this JVM.
                dmaMap.unmap(BASE, BYTES);
                assertEquals(0, dmaMap.mappedBytes());
                mapAll();
                awaitUsed(20);
            }
        }
        assertFalse(failure.isDone());
    }

    @Test
    void pausedDeviceTouchesNothing() throws Exception {
        start(WorkerPool.ALWAYS);
        submit();
        awaitUsed(1);
        runtime.pause();
        submit();
        runtime.kick(1);
        long until = System.nanoTime() + 20_000_000;
        while (System.nanoTime() < until) {
            assertEquals(-1, driver.pollUsed());
        }
        runtime.resume();
        awaitUsed(1);
    }

    @Test
    void failsOnABrokenRingAndStopsStill() throws Exception {
        start(0);
        driver.avail().putU16(2, 30_000);
        runtime.kick(1);
        Throwable cause = failure.get(10, TimeUnit.SECONDS);
        assertTrue(cause.getMessage().contains("available index"), cause.getMessage());
    }

    @Test
    void failsOnAnythingAHandlerThrows() throws Exception {
        device.throwThis = new IllegalStateException("bug in the device");
        start(0);
        submit();
        assertInstanceOf(IllegalStateException.class, failure.get(10, TimeUnit.SECONDS));
        runtime.awaitStopped();
    }

    /** Row 37: the file behind a DMA mapping is cut short; the JVM turns the SIGBUS into an InternalError. */
    @Test
    void row37TruncatedMemoryFailsTheDeviceNotTheProcess() throws Exception {
        java.nio.file.Path file = java.nio.file.Files.createTempFile("dma", null);
        try (org.virtiobackend.posix.Fd fd = FileIo.open(file.toString(), FileIo.O_RDWR, 0)) {
            FileIo.truncate(fd, 4096);
            dmaMap.map(0x1000, 4096, true, true, fd.duplicate(), 0);
            start(0);
            FileIo.truncate(fd, 0);
            long[] addresses = {0x1000, in[0].dmaAddress()};
            driver.add(addresses, new int[] {512, 512}, 1, 1);
            driver.publish();
            runtime.kick(1);
            assertInstanceOf(InternalError.class, failure.get(10, TimeUnit.SECONDS));
        } finally {
            java.nio.file.Files.delete(file);
        }
    }

    @Test
    void restartsOneQueueAtAnotherSize() throws Exception {
        start(0);
        submit();
        awaitUsed(1);
        assertTrue(runtime.stopQueue(1));
        assertFalse(runtime.stopQueue(1));
        driver = SplitDriverQueue.create(1, 8, FEATURES, memory);
        runtime.startQueue(new QueueConfig(1, 8, driver.queueDesc(), driver.queueDriver(), driver.queueDevice()));
        submit();
        awaitUsed(1);
        assertThrows(DeviceActivationException.class, () -> runtime.startQueue(config));
    }

    /** virtio 1.4 2.1.2: only the reset of the device ends DEVICE_NEEDS_RESET, not that of a queue. */
    @Test
    void aQueueThatIsStartedOnAFailedDeviceIsNotServed() throws Exception {
        start(0);
        runtime.fail(new IllegalStateException("on purpose"));
        assertTrue(runtime.stopQueue(1));
        driver = SplitDriverQueue.create(1, 8, FEATURES, memory);
        runtime.startQueue(new QueueConfig(1, 8, driver.queueDesc(), driver.queueDriver(), driver.queueDevice()));
        submit();
        runtime.kick(1);
        for (int turn = 0; turn < 5; turn++) {
            CompletableFuture<Void> between = new CompletableFuture<>();
            runtime.afterPresentWork(() -> between.complete(null));
            between.get(10, TimeUnit.SECONDS);
        }
        assertEquals(0, device.started);
    }

    @Test
    void refusesToStartOnRingsInTheVoid() throws Exception {
        pool = new WorkerPool(1, 0);
        QueueConfig nowhere = new QueueConfig(0, 64, 0x10, 0x20, 0x40);
        assertThrows(
                DeviceActivationException.class,
                () -> DeviceRuntime.start(
                        device, 0, new QueueConfig[] {nowhere, null}, dmaMap::newSpace, pool, events));
    }
}
