package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A device, its driver, and the thread that executes its commands: whoever calls. */
final class BorrowingClient implements DeviceEvents, AutoCloseable {
    static final long BASE = 0x8000_0000L;
    static final long BYTES = 1 << 20;
    private static final long FEATURES = VirtioFeature.VIRTIO_F_EVENT_IDX;

    final EchoDevice device = new EchoDevice();
    final DmaMap dmaMap = new DmaMap();
    final SharedMemory memory;
    final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    final DmaBuffer[] out;
    final DmaBuffer[] in;
    final SplitDriverQueue driver;
    final QueueConfig config;
    final Semaphore told = new Semaphore(0);
    /** Who told the driver last. */
    volatile Thread teller;

    DeviceRuntime runtime;
    Runnable afterAnswer;

    private BorrowingClient() throws Exception {
        memory = SharedMemory.create("borrow-test", BYTES, BASE);
        out = new DmaBuffer[] {memory.allocate(64, 16)};
        in = new DmaBuffer[] {memory.allocate(64, 16)};
        driver = SplitDriverQueue.create(0, 64, FEATURES, memory);
        config = new QueueConfig(0, 64, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
    }

    /** Starts the device, whose queue one of the pool's workers serves. */
    static BorrowingClient start(WorkerPool pool) throws Exception {
        BorrowingClient client = new BorrowingClient();
        client.run(pool);
        return client;
    }

    /** The same for a driver that may be told late. */
    static BorrowingClient startLate(WorkerPool pool) throws Exception {
        BorrowingClient client = new BorrowingClient();
        client.device.late = true;
        client.run(pool);
        return client;
    }

    private void run(WorkerPool pool) throws Exception {
        map();
        device.prompt = true;
        runtime = DeviceRuntime.start(device, FEATURES, new QueueConfig[] {config, null}, dmaMap::newSpace, pool, this);
        runtime.setCommandThread(work -> {
            assertNull(afterAnswer, "one work for one command");
            afterAnswer = work;
            return true;
        });
        dmaMap.setUser(runtime);
    }

    void map() throws Exception {
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
    }

    void add(int count) {
        for (int i = 0; i < count; i++) {
            assertTrue(driver.add(out, 1, in, 1) >= 0);
        }
        driver.publish();
    }

    /** As a session does it: the notification, the answer, the work. */
    void kick() {
        runtime.kick(0);
        Runnable work = afterAnswer;
        if (work != null) {
            afterAnswer = null;
            work.run();
        }
    }

    void submit(int count) {
        add(count);
        if (driver.deviceWantsKick()) {
            kick();
        }
    }

    int collect() {
        int count = 0;
        while (driver.pollUsed() >= 0) {
            count++;
        }
        return count;
    }

    void awaitUsed(int count) {
        int left = count;
        while (left > 0) {
            left -= collect();
            Thread.onSpinWait();
        }
    }

    /** Goes on until the worker was found asleep, so that the queue was served here. */
    void submitUntilBorrowed() {
        do {
            add(1);
            kick();
            awaitUsed(1);
        } while (device.drainer != Thread.currentThread());
    }

    /** As a driver that sleeps until it is told. */
    void awaitTold(int count) throws InterruptedException {
        int left = count;
        while ((left -= collect()) > 0) {
            if (!driver.enableInterrupts()) {
                assertTrue(told.tryAcquire(30, TimeUnit.SECONDS), "told of " + left + " buffers");
            }
        }
    }

    @Override
    public void usedBufferNotification(int queue) {
        teller = Thread.currentThread();
        told.release();
    }

    @Override
    public void needsReset(Throwable cause) {
        failure.complete(cause);
    }

    @Override
    public void close() {
        if (runtime != null) {
            runtime.awaitStopped();
        }
        device.close();
        dmaMap.close();
        memory.close();
        assertEquals(0, device.collisions.get(), "two threads in one queue");
    }
}
