package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.SplitLayout.*;

import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;

/** The device side of a split virtqueue (virtio 1.4 2.7). */
public final class SplitVirtqueue extends AbstractVirtqueue {
    private final int mask;
    private final ChainCompletion completion;
    /** Chain objects that no request uses, made as they are needed; the first {@link #freeCount} are valid. */
    private final DescriptorChain[] free;
    /** Heads that the device owns now. */
    private final boolean[] inUse;

    private final SplitWalker walker;
    private final RingAccess desc = new RingAccess();
    private final RingAccess avail = new RingAccess();
    private final RingAccess used = new RingAccess();

    private int freeCount;
    /** Next entry of the available ring to take, a 16-bit counter. */
    private int nextAvail;
    /** The driver's index as last seen. */
    private int knownAvail;
    /** Where {@link #poll} last found nothing; {@link #unpoll} goes back behind it. */
    private int emptyAt;
    /** Our own index; never read back from shared memory. */
    private int nextUsed;

    private int publishedUsed;
    private int notifiedUsed;

    /**
     * @param features negotiated bits
     * @param space memory of this queue; the queue is its only user
     * @param completion told about chains that the handler finishes
     * @throws VirtqueueException an area is not accessible or misaligned
     */
    public SplitVirtqueue(QueueConfig config, long features, DmaSpace space, ChainCompletion completion)
            throws VirtqueueException {
        super(checked(config), features, space);
        this.mask = size - 1;
        this.walker = new SplitWalker(desc, size, isIndirect(features), builder);
        this.completion = completion;
        this.free = new DescriptorChain[size];
        this.inUse = new boolean[size];
        start();
    }

    private static QueueConfig checked(QueueConfig config) throws VirtqueueException {
        if (Integer.bitCount(config.size()) != 1 || config.size() > MAX_SIZE) {
            throw new VirtqueueException("queue size " + config.size() + " of a split virtqueue");
        }
        return config;
    }

    @Override
    public DescriptorChain poll() throws VirtqueueException {
        if (mustWait()) {
            return null;
        }
        if (nextAvail == knownAvail && !lookForMore()) {
            emptyAt = nextAvail;
            return null;
        }
        int head = avail.getU16(RING + AVAIL_ENTRY * (nextAvail & mask));
        if (head >= size) {
            throw new VirtqueueException("available head " + head + " in a queue of " + size);
        }
        if (inUse[head]) {
            throw new VirtqueueException("descriptor " + head + " made available while in use");
        }
        if (freeCount == 0) {
            free[freeCount++] = new DescriptorChain(completion);
        }
        DescriptorChain chain = free[freeCount - 1];
        chain.begin(head);
        builder.begin(chain);
        builder.finish(walker.walk(head));
        freeCount--;
        inUse[head] = true;
        nextAvail = (nextAvail + 1) & 0xffff;
        polled(chain);
        return chain;
    }

    private boolean lookForMore() throws VirtqueueException {
        if (!avail.isAttached()) {
            return false;
        }
        if (avail.isRemote()) {
            fetchAvailable();
        }
        int index = avail.getU16Acquire(IDX);
        int count = (index - nextAvail) & 0xffff;
        if (count == 0) {
            return false;
        }
        if (count > size) {
            throw new VirtqueueException("available index " + index + " is " + count + " ahead in a queue of " + size);
        }
        knownAvail = index;
        return true;
    }

    private void fetchAvailable() throws VirtqueueException {
        try {
            // One message after the other: what the index announces must be read after it.
            avail.fetch(0, RING);
            if (avail.getU16(IDX) != nextAvail) {
                avail.fetch(RING, AVAIL_ENTRY * size);
                desc.fetch(0, descBytes(size));
            }
        } catch (DmaFaultException e) {
            throw VirtqueueException.of("ring", e);
        }
    }

    @Override
    public void unpoll(DescriptorChain chain) {
        nextAvail = (nextAvail - 1) & 0xffff;
        unpolled(chain);
        recycle(chain);
    }

    private void recycle(DescriptorChain chain) {
        inUse[chain.head()] = false;
        free[freeCount++] = chain;
    }

    @Override
    void use(DescriptorChain chain, long length) {
        used.putU64(RING + USED_ENTRY * (nextUsed & mask), chain.head() | length << 32);
        nextUsed = (nextUsed + 1) & 0xffff;
        ended(chain);
        recycle(chain);
    }

    @Override
    public void publishUsed() throws VirtqueueException {
        if (nextUsed == publishedUsed) {
            return;
        }
        if (used.isRemote()) {
            flushUsed();
        }
        used.putU16Release(IDX, nextUsed);
        RingIo.flush(used, IDX, 2);
        publishedUsed = nextUsed;
    }

    private void flushUsed() throws VirtqueueException {
        int first = publishedUsed & mask;
        int count = (nextUsed - publishedUsed) & 0xffff;
        int untilEnd = Math.min(count, size - first);
        RingIo.flush(used, RING + USED_ENTRY * first, USED_ENTRY * untilEnd);
        if (count > untilEnd) {
            RingIo.flush(used, RING, USED_ENTRY * (count - untilEnd));
        }
    }

    @Override
    public boolean driverWantsNotification() throws VirtqueueException {
        boolean wants = wantsNotification();
        notifiedUsed = publishedUsed;
        return wants;
    }

    @Override
    public boolean driverStillWantsNotification() throws VirtqueueException {
        boolean wants = wantsNotification();
        notifiedUsed = wants ? notifiedUsed : publishedUsed;
        return wants;
    }

    private boolean wantsNotification() throws VirtqueueException {
        if (publishedUsed == notifiedUsed) {
            return false;
        }
        RingAccess.fullFence();
        if (eventIdx) {
            // virtio 1.4 2.7.7.2: only when the index passes used_event
            RingIo.fetch(avail, usedEvent(size), 2);
            return needEvent(avail.getU16(usedEvent(size)), publishedUsed, notifiedUsed);
        }
        RingIo.fetch(avail, FLAGS, 2);
        return (avail.getU16(FLAGS) & VIRTQ_AVAIL_F_NO_INTERRUPT) == 0;
    }

    @Override
    public void suppressKicks() throws VirtqueueException {
        // With event index the driver is quiet until its index passes an avail_event that stays behind.
        if (used.isAttached() && !eventIdx) {
            used.putU16(FLAGS, VIRTQ_USED_F_NO_NOTIFY);
            RingIo.flush(used, FLAGS, 2);
        }
    }

    @Override
    public boolean enableKicks() throws VirtqueueException {
        return enableKicks(nextAvail);
    }

    @Override
    public boolean enableKicksForMore() throws VirtqueueException {
        return enableKicks(emptyAt);
    }

    /** @param index of the driver, beyond which it is to notify: virtio 1.4 2.7.10 */
    private boolean enableKicks(int index) throws VirtqueueException {
        if (!used.isAttached()) {
            return false;
        }
        if (eventIdx) {
            used.putU16(availEvent(size), index);
            RingIo.flush(used, availEvent(size), 2);
        } else {
            used.putU16(FLAGS, 0);
            RingIo.flush(used, FLAGS, 2);
        }
        RingAccess.fullFence();
        RingIo.fetch(avail, IDX, 2);
        return avail.getU16Acquire(IDX) != index;
    }

    @Override
    public boolean hasAvailable() {
        return nextAvail != knownAvail
                || avail.isAttached() && !avail.isRemote() && avail.getU16Acquire(IDX) != nextAvail;
    }

    @Override
    public boolean isRemote() {
        return desc.isRemote() || avail.isRemote() || used.isRemote();
    }

    @Override
    public boolean reattach() {
        knownAvail = nextAvail;
        return super.reattach();
    }

    @Override
    void detachAreas() {
        desc.detach();
        avail.detach();
        used.detach();
    }

    @Override
    void attachAreas() throws DmaFaultException {
        space.attach(config.queueDesc(), descBytes(size), DESC_ALIGNMENT, DmaAccess.READ, desc);
        space.attach(config.queueDriver(), availBytes(size), AVAIL_ALIGNMENT, DmaAccess.READ, avail);
        space.attach(config.queueDevice(), usedBytes(size), USED_ALIGNMENT, DmaAccess.WRITE, used);
    }
}
