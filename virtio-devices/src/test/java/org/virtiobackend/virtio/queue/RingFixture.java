package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A driver ring and a device ring over the same shared memory, in one thread. */
final class RingFixture implements AutoCloseable {
    static final long BASE = 0x1_0000_0000L;
    static final long BYTES = 4L << 20;

    final SharedMemory memory;
    final DmaMap dmaMap = new DmaMap();
    final SplitDriverQueue driver;
    final QueueConfig config;
    final DmaSpace space;
    final SplitVirtqueue device;
    int completions;

    RingFixture(int size, long features) throws ErrnoException, VirtqueueException {
        memory = SharedMemory.create("ring-test", BYTES, BASE);
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        driver = SplitDriverQueue.create(0, size, features, memory);
        config = new QueueConfig(0, size, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        space = dmaMap.newSpace();
        device = new SplitVirtqueue(config, features, space, new ChainCompletion() {
            @Override
            public void completed(DescriptorChain chain) {
                completions++;
            }

            @Override
            public void deferred(DescriptorChain chain) {}
        });
    }

    DmaBuffer buffer(int length) {
        return memory.allocate(length, 16);
    }

    /** Writes a descriptor by hand. */
    void descriptor(int index, long address, long length, int flags, int next) {
        int at = index * SplitLayout.DESCRIPTOR_SIZE;
        driver.desc().putU64(at, address);
        driver.desc().putU32(at + 8, length);
        driver.desc().putU16(at + 12, flags);
        driver.desc().putU16(at + 14, next);
    }

    /** Writes an indirect table entry by hand. */
    static void entry(DmaBuffer table, int index, long address, long length, int flags, int next) {
        int at = table.offset() + index * SplitLayout.DESCRIPTOR_SIZE;
        table.memory().putLong(at, address);
        table.memory().putInt(at + 8, (int) length);
        table.memory().putShort(at + 12, (short) flags);
        table.memory().putShort(at + 14, (short) next);
    }

    /** Makes a head available by hand, as the n-th one ever. */
    void available(int n, int head) {
        driver.avail().putU16(SplitLayout.RING + 2 * (n % device.size()), head);
        driver.avail().putU16Release(SplitLayout.IDX, n + 1);
    }

    @Override
    public void close() {
        dmaMap.close();
        memory.close();
    }
}
