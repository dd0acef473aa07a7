package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.io.IoScratch;
import org.virtiobackend.virtio.queue.ChainCompletion;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.SplitVirtqueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Rows 15 and 37: a chain is given back once, or its queue would let go of memory that other requests still use. */
class CompletionTest {
    private static final long BASE = 0x4000_0000L;
    private static final long BYTES = 1 << 20;

    private final AtomicInteger completions = new AtomicInteger();
    private final ScriptedBackend backend = new ScriptedBackend();

    /** Serves a flush, which the pool does, with a queue that does this when it gets the chain back. */
    private void serve(Runnable whenCompleted) throws Exception {
        ChainCompletion completion = new ChainCompletion() {
            @Override
            public void completed(DescriptorChain chain) {
                completions.incrementAndGet();
                whenCompleted.run();
            }

            @Override
            public void deferred(DescriptorChain chain) {}
        };
        try (SharedMemory memory = SharedMemory.create("completion-test", BYTES, BASE);
                DmaMap dmaMap = new DmaMap();
                IoPool pool = new IoPool(1)) {
            dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
            SplitDriverQueue driver = SplitDriverQueue.create(0, 16, 0, memory);
            QueueConfig config = new QueueConfig(0, 16, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            SplitVirtqueue queue = new SplitVirtqueue(config, 0, dmaMap.newSpace(), completion);
            DmaBuffer[] header = {memory.allocate(VirtioBlk.HEADER_BYTES, 16)};
            DmaBuffer[] status = {memory.allocate(1, 1)};
            header[0].memory().putInt(header[0].offset(), VirtioBlk.VIRTIO_BLK_T_FLUSH);
            assertTrue(driver.add(header, 1, status, 1) >= 0);
            driver.publish();
            VirtioBlkDevice device = new VirtioBlkDevice(backend, pool, BlkSettings.defaults());
            device.acceptFeatures(VirtioBlk.VIRTIO_BLK_F_FLUSH);
            new BlkRequest(device, queue.poll()).serve(new IoScratch());
        }
    }

    /** The chain is in other hands when waking the worker is where the JVM reports a fault. */
    @Test
    void aLateFaultAfterTheHandOverDoesNotCompleteAgain() throws Exception {
        serve(() -> {
            throw new InternalError("late, on purpose");
        });
        assertEquals(1, completions.get());
        assertEquals("flush", backend.calls.get(0));
    }

    @Test
    void aRequestThatFailsIsCompletedAllTheSame() throws Exception {
        backend.beforeFlush = () -> {
            throw new IllegalStateException("on purpose");
        };
        serve(() -> {});
        assertEquals(1, completions.get());
    }
}
