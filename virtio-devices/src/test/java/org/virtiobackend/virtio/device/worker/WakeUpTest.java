package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A queue that is fed from outside, as a network device's receive queue: it has buffers and waits for a descriptor. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class WakeUpTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    private static final long FEATURES = VirtioFeature.VIRTIO_F_EVENT_IDX;

    private final DmaMap dmaMap = new DmaMap();
    private final Semaphore notified = new Semaphore(0);
    private final DeviceEvents events = new DeviceEvents() {
        @Override
        public void usedBufferNotification(int queue) {
            notified.release();
        }

        @Override
        public void needsReset(Throwable cause) {}
    };
    private EventFd source;
    private FedDevice device;
    private SharedMemory memory;
    private SplitDriverQueue driver;
    private WorkerPool pool;
    private DeviceRuntime runtime;

    @BeforeEach
    void setUp() throws Exception {
        source = EventFd.create();
        device = new FedDevice(source);
        memory = SharedMemory.create("wake-up-test", BYTES, BASE);
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        driver = SplitDriverQueue.create(0, 64, FEATURES, memory);
        pool = new WorkerPool(1, 0);
    }

    @AfterEach
    void tearDown() {
        runtime.awaitStopped();
        pool.close();
        dmaMap.close();
        memory.close();
        source.close();
    }

    private void start() throws Exception {
        QueueConfig config = new QueueConfig(0, 64, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        runtime = DeviceRuntime.start(device, FEATURES, new QueueConfig[] {config}, dmaMap::newSpace, pool, events);
    }

    private void addBuffers(int count) {
        DmaBuffer[] buffer = {memory.allocate(64, 16)};
        for (int i = 0; i < count; i++) {
            assertTrue(driver.add(buffer, 0, buffer, 1) >= 0);
        }
        driver.publish();
    }

    private void awaitUsed() throws Exception {
        while (driver.pollUsed() < 0) {
            if (!driver.enableInterrupts()) {
                assertTrue(notified.tryAcquire(10, TimeUnit.SECONDS), "a notification");
            }
        }
    }

    @Test
    void descriptorWakesAHandlerThatHasBuffersAndSleeps() throws Exception {
        addBuffers(32);
        start();
        for (int i = 0; i < 32; i++) {
            source.signal();
            awaitUsed();
        }
        // a worker that does not sleep while buffers are left would have looked far more often
        assertTrue(device.drains < 32 * 10, device.drains + " looks for 32 events");
    }

    @Test
    void driverIsNotAskedForNotificationsWhileTheHandlerHasBuffers() throws Exception {
        addBuffers(8);
        driver.deviceWantsKick(); // nobody has suppressed anything yet
        start();
        source.signal();
        awaitUsed();
        addBuffers(8);
        assertFalse(driver.deviceWantsKick());
    }

    @Test
    void disarmedDescriptorDoesNotKeepTheWorkerAwakeAndAKickGoesOn() throws Exception {
        start();
        for (int i = 0; i < 32; i++) {
            source.signal(); // there is something to do, but no buffer to do it with
            addBuffers(1);
            runtime.kick(0);
            awaitUsed();
            device.awaitStarved();
        }
        assertTrue(device.drains < 32 * 20, device.drains + " looks for 32 events");
    }

    @Test
    void wakeRunsTheHandler() throws Exception {
        addBuffers(1);
        start();
        device.elsewhere = true;
        runtime.wake(0);
        awaitUsed();
        assertEquals(0, runtime.statistics(0).kicks());
    }

    /** Answers each count of an event descriptor with one buffer. */
    private static final class FedDevice extends PlainDevice implements QueueHandler {
        private final WakeUp wakeUp = new WakeUp();
        private final EventFd source;
        private final Semaphore starvations = new Semaphore(0);
        private long pending;
        private boolean starved;
        volatile int drains;
        volatile boolean elsewhere;

        FedDevice(EventFd source) {
            super(64);
            this.source = source;
        }

        void awaitStarved() throws InterruptedException {
            assertTrue(starvations.tryAcquire(10, TimeUnit.SECONDS), "a handler without buffers");
            starvations.drainPermits();
        }

        @Override
        public void activate(DeviceContext context) {
            context.attach(0, this, wakeUp);
        }

        @Override
        public int drain(Virtqueue queue, int budget) throws VirtqueueException {
            drains++;
            if (elsewhere) {
                elsewhere = false;
                pending++;
            }
            DescriptorChain chain = queue.poll();
            starved = chain == null;
            if (starved) {
                wakeUp.disarm();
                starvations.release();
                return 0;
            }
            pending += source.drain();
            if (pending == 0) {
                queue.unpoll(chain);
                wakeUp.arm(source.fd(), WakeUp.READABLE);
                return 0;
            }
            pending--;
            chain.complete(0);
            return 1;
        }

        @Override
        public boolean wantsKicks() {
            return starved;
        }
    }
}
