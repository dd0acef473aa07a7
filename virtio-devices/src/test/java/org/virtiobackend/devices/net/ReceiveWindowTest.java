package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.queue.ChainCompletion;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.SplitVirtqueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

class ReceiveWindowTest {
    private static final long BASE = 0x1_0000_0000L;
    private static final long BYTES = 1 << 20;

    /** Row 40: a driver that adds buffers of no use as fast as they come back does not keep the worker from other queues. */
    @Test
    void row40BuffersOfNoUseArePassedOverUpToALimitInOneBatch() throws Exception {
        NetCounters counters = new NetCounters();
        ReceiveWindow window = new ReceiveWindow(12, counters);
        try (DmaMap map = new DmaMap();
                SharedMemory memory = SharedMemory.create("window-test", BYTES, BASE)) {
            map.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
            SplitDriverQueue driver = SplitDriverQueue.create(0, 16, 0, memory);
            QueueConfig config = new QueueConfig(0, 16, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            SplitVirtqueue queue = new SplitVirtqueue(config, 0, map.newSpace(), new GiveBack());
            DmaBuffer[] shortOne = {memory.allocate(11, 16)};
            DmaBuffer[] goodOne = {memory.allocate(12, 16)};
            for (int i = 0; i < 10; i++) {
                driver.add(shortOne, 0, i == 5 ? goodOne : shortOne, 1);
            }
            driver.publish();

            window.begin(3);
            assertEquals(ReceiveWindow.Growth.EMPTY, window.grow(queue));
            assertEquals(3, window.skipped());
            window.begin(3);
            assertEquals(ReceiveWindow.Growth.MORE, window.grow(queue));
            assertEquals(2, window.skipped());
            assertEquals(5, counters.malformed());
            window.giveBack(queue);
        }
    }

    /** Nobody looks at the used ring. */
    private static final class GiveBack implements ChainCompletion {
        @Override
        public void completed(DescriptorChain chain) {}

        @Override
        public void deferred(DescriptorChain chain) {}
    }
}
