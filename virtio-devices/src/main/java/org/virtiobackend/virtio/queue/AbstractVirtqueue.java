package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.virtio.VirtioFeature;

/** What the device sides of both layouts have in common: memory that comes and goes, chains under way, their order. */
abstract class AbstractVirtqueue implements Virtqueue {
    private static final long MAX_COPIED_BYTES = SegmentList.MAX_REMOTE_BYTES;

    final QueueConfig config;
    final int size;
    final boolean eventIdx;
    final DmaSpace space;
    final ChainBuilder builder;
    /** Null without IN_ORDER. */
    private final InOrderWindow window;

    private int inFlight;
    /** Private copies that chains in flight hold, bytes. */
    private long copiedBytes;

    private boolean heldBack;

    AbstractVirtqueue(QueueConfig config, long features, DmaSpace space) {
        this.config = config;
        this.size = config.size();
        this.eventIdx = (features & VirtioFeature.VIRTIO_F_EVENT_IDX) != 0;
        this.space = space;
        this.builder = new ChainBuilder(space, size);
        this.window = isInOrder(features) ? new InOrderWindow(size) : null;
    }

    /** Whether the next chain has to wait, as those in flight hold enough copies; what a driver asks for, it gets one after the other. */
    final boolean mustWait() {
        heldBack = copiedBytes >= MAX_COPIED_BYTES;
        return heldBack;
    }

    @Override
    public final boolean isHeldBack() {
        return heldBack;
    }

    @Override
    public final boolean holdsCopies() {
        return copiedBytes > 0;
    }

    static boolean isInOrder(long features) {
        return (features & VirtioFeature.VIRTIO_F_IN_ORDER) != 0;
    }

    static boolean isIndirect(long features) {
        return (features & VirtioFeature.VIRTIO_F_INDIRECT_DESC) != 0;
    }

    /** Resolves the addresses of all areas. */
    abstract void attachAreas() throws DmaFaultException;

    abstract void detachAreas();

    /** Writes a chain, whose buffers are committed, into the ring as used; {@link #ended} follows. */
    abstract void use(DescriptorChain chain, long length);

    /** Resolves the addresses for the first time. */
    final void start() throws VirtqueueException {
        space.refresh();
        try {
            attachAreas();
        } catch (DmaFaultException e) {
            throw VirtqueueException.of("queue " + config.index(), e);
        }
    }

    @Override
    public final int index() {
        return config.index();
    }

    @Override
    public final int size() {
        return size;
    }

    /** A chain has been taken out of the ring. */
    final void polled(DescriptorChain chain) {
        inFlight++;
        copiedBytes += chain.copiedBytes();
        if (window != null) {
            window.polled(chain);
        }
    }

    /** The chain that was taken last is back in the ring. */
    final void unpolled(DescriptorChain chain) {
        if (window != null) {
            window.unpolled();
        }
        ended(chain);
    }

    final void ended(DescriptorChain chain) {
        copiedBytes -= chain.copiedBytes();
        chain.end();
        inFlight--;
    }

    @Override
    public final void addUsed(DescriptorChain chain, long written) throws VirtqueueException {
        long length = Math.min(written, chain.writableSegments().totalBytes());
        try {
            chain.writableSegments().commit(length);
        } catch (DmaFaultException e) {
            throw VirtqueueException.of("buffer", e);
        }
        if (window == null) {
            use(chain, length);
            return;
        }
        chain.finish(length);
        // virtio 1.4 6.2: in order; every entry is written, drivers exist that look at each
        for (DescriptorChain next; (next = window.takeFinished()) != null; ) {
            use(next, next.usedLength());
        }
    }

    @Override
    public final int inFlight() {
        return inFlight;
    }

    @Override
    public boolean reattach() {
        space.refresh();
        try {
            attachAreas();
            return true;
        } catch (DmaFaultException e) {
            detachAreas();
            return false;
        }
    }

    @Override
    public final boolean memoryIsIntact() {
        return space.isIntact();
    }
}
