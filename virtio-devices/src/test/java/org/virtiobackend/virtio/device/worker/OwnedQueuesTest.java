package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.Virtqueue;

class OwnedQueuesTest {
    private final OwnedQueues queues = new OwnedQueues();
    private final DmaMap dmaMap = new DmaMap();
    private WorkerPool pool;
    private DeviceRuntime runtime;

    @BeforeEach
    void setUp() throws Exception {
        pool = new WorkerPool(1, 0);
        PlainDevice device = new PlainDevice() {
            @Override
            public void activate(DeviceContext context) {}
        };
        DeviceEvents nobody = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int queue) {}

            @Override
            public void needsReset(Throwable cause) {}
        };
        runtime = DeviceRuntime.start(device, 0, new QueueConfig[0], dmaMap::newSpace, pool, nobody);
    }

    @AfterEach
    void tearDown() {
        runtime.awaitStopped();
        pool.close();
        dmaMap.close();
    }

    private QueueTask taskWithNapsOf(long nanos) {
        QueueHandler handler = new QueueHandler() {
            @Override
            public int drain(Virtqueue queue, int budget) {
                return 0;
            }

            @Override
            public long longestNapNanos() {
                return nanos;
            }
        };
        return new QueueTask(runtime, 0, handler, new WakeUp[0], new QueueStatistics());
    }

    @Test
    void napsAreAsLongAsAllQueuesAgreeTo() {
        assertTrue(queues.isEmpty());
        assertEquals(QueueHandler.NAP_NANOS, queues.longestNapNanos());
        QueueTask patient = taskWithNapsOf(400_000);
        QueueTask hasty = taskWithNapsOf(100_000);
        queues.add(patient);
        assertEquals(400_000, queues.longestNapNanos());
        queues.add(hasty);
        assertEquals(100_000, queues.longestNapNanos());
        assertArrayEquals(new QueueTask[] {patient, hasty}, queues.all());
        queues.remove(hasty);
        assertEquals(400_000, queues.longestNapNanos());
        queues.remove(patient);
        assertTrue(queues.isEmpty());
        assertEquals(QueueHandler.NAP_NANOS, queues.longestNapNanos());
    }
}
