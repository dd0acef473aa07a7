package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Chains that wait for the outside world, and a request of control for their memory. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class LetGoTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;

    private static final DeviceEvents NOBODY = new DeviceEvents() {
        @Override
        public void usedBufferNotification(int queue) {}

        @Override
        public void needsReset(Throwable cause) {}
    };

    /** The worker looks last at wantsKicks before it sleeps: nobody wakes a worker that is still awake. */
    @Test
    void aRequestJustBeforeTheWorkerSleepsIsNotLost() throws Exception {
        Waiting device = new Waiting();
        try (SharedMemory memory = SharedMemory.create("let-go-test", BYTES, BASE);
                DmaMap dmaMap = new DmaMap();
                WorkerPool pool = new WorkerPool(1, 0)) {
            dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
            SplitDriverQueue driver = SplitDriverQueue.create(0, 16, 0, memory);
            QueueConfig config = new QueueConfig(0, 16, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            DmaBuffer[] buffer = {memory.allocate(64, 16)};
            assertTrue(driver.add(buffer, 0, buffer, 1) >= 0);
            driver.publish();
            DeviceRuntime runtime =
                    DeviceRuntime.start(device, 0, new QueueConfig[] {config}, dmaMap::newSpace, pool, NOBODY);
            assertTrue(device.goesToSleep.await(20, TimeUnit.SECONDS));
            runtime.beginPause();
            device.asked.countDown();
            boolean letGo = device.letGo.await(20, TimeUnit.SECONDS);
            runtime.awaitStopped();
            assertTrue(letGo, "the worker sleeps and does not know");
            assertTrue(driver.pollUsed() >= 0);
        }
    }

    /** Keeps its first chain until it is to let go. */
    private static final class Waiting extends PlainDevice implements QueueHandler {
        final CountDownLatch goesToSleep = new CountDownLatch(1);
        final CountDownLatch asked = new CountDownLatch(1);
        final CountDownLatch letGo = new CountDownLatch(1);
        private DescriptorChain kept;

        Waiting() {
            super(16);
        }

        @Override
        public int drain(Virtqueue queue, int budget) throws VirtqueueException {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                return 0;
            }
            chain.defer();
            kept = chain;
            return 1;
        }

        @Override
        public boolean wantsKicks() {
            if (kept != null) {
                goesToSleep.countDown();
                try {
                    asked.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }
            return true;
        }

        @Override
        public void letGo() {
            if (kept != null) {
                kept.complete(0);
                kept = null;
                letGo.countDown();
            }
        }

        @Override
        public void activate(DeviceContext context) {
            context.attach(0, this);
        }
    }
}
