package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Both sides of a ring of either layout, in one thread, over memory that the device maps or only reaches by messages. */
final class RingPair implements AutoCloseable {
    static final long BASE = 0x1_0000_0000L;
    static final long BYTES = 4L << 20;

    final SharedMemory memory;
    final DmaMap dmaMap = new DmaMap();
    final DriverVirtqueue driver;
    final Virtqueue device;
    final boolean packed;
    private final DmaMap peer = new DmaMap();
    /** Runs after the first 14 bytes of the next read of at least 16: what a driver does in the middle of a message. */
    Runnable inTheMiddle;

    int messages;
    /** The client has gone: every message fails. */
    boolean gone;

    RingPair(int size, long features, boolean remote) throws ErrnoException, VirtqueueException {
        memory = SharedMemory.create("ring-pair", BYTES, BASE);
        peer.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        if (remote) {
            dmaMap.setRemoteMemory(new Messages(peer.newSpace()));
            dmaMap.map(BASE, BYTES, true, true, null, 0);
        } else {
            dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        }
        packed = (features & VirtioFeature.VIRTIO_F_RING_PACKED) != 0;
        driver = packed
                ? PackedDriverQueue.create(0, size, features, memory)
                : SplitDriverQueue.create(0, size, features, memory);
        QueueConfig config = new QueueConfig(0, size, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        device = packed
                ? new PackedVirtqueue(config, features, dmaMap.newSpace(), new Ignored())
                : new SplitVirtqueue(config, features, dmaMap.newSpace(), new Ignored());
    }

    DmaBuffer buffer(int length) {
        return memory.allocate(length, 16);
    }

    @Override
    public void close() {
        dmaMap.close();
        peer.close();
        memory.close();
    }

    private static final class Ignored implements ChainCompletion {
        @Override
        public void completed(DescriptorChain chain) {}

        @Override
        public void deferred(DescriptorChain chain) {}
    }

    /** The client's side of DMA messages. */
    private final class Messages implements RemoteMemory {
        private static final int BEFORE_FLAGS = 14;

        private final DmaSpace space;

        Messages(DmaSpace space) {
            this.space = space;
        }

        @Override
        public void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException {
            count(address, length);
            Runnable hook = inTheMiddle;
            int first = 0;
            if (hook != null && length >= PackedLayout.DESCRIPTOR_SIZE) {
                inTheMiddle = null;
                first = BEFORE_FLAGS;
                copy(address, target, offset, first, false);
                hook.run();
            }
            copy(address + first, target, offset + first, length - first, false);
        }

        @Override
        public void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException {
            count(address, length);
            copy(address, source, offset, length, true);
        }

        private void count(long address, int length) throws DmaFaultException {
            messages++;
            if (gone) {
                throw DmaFaultException.peerGone("gone", address, length);
            }
        }

        private void copy(long address, ByteBuffer own, int offset, int length, boolean out) throws DmaFaultException {
            SegmentList segments = new SegmentList();
            space.map(address, length, out ? DmaAccess.WRITE : DmaAccess.READ, segments);
            int at = offset;
            for (int i = 0; i < segments.count(); i++) {
                if (out) {
                    segments.buffer(i).put(segments.offset(i), own, at, segments.length(i));
                } else {
                    own.put(at, segments.buffer(i), segments.offset(i), segments.length(i));
                }
                at += segments.length(i);
            }
        }
    }
}
