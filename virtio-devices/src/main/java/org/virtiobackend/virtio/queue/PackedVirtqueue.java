package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;

/** The device side of a packed virtqueue (virtio 1.4 2.8). */
public final class PackedVirtqueue extends AbstractVirtqueue {
    /** Chain objects that no request uses; the first {@link #freeCount} are valid. */
    private final DescriptorChain[] free;
    /** Buffer ids that the device owns now. */
    private final boolean[] idInUse;

    private final RingAccess desc = new RingAccess();
    private final RingAccess driverEvent = new RingAccess();
    private final RingAccess deviceEvent = new RingAccess();
    private final PackedWalker walker;
    private final PackedUsedWriter used;

    private int freeCount;
    private int nextAvail;
    private boolean availWrap = true;
    /** Where {@link #poll} last found nothing; {@link #unpoll} goes back behind it. */
    private int emptyAt;

    private boolean emptyWrap = true;
    /** Descriptors from {@link #nextAvail} on that the copy of a remote ring holds, seen available before they were read. */
    private int copied;
    /** Descriptors passed that the driver cannot see yet. */
    private int unpublished;
    /** Descriptors that it can see since it was last told, and what follows them. */
    private int sinceNotified;

    private int publishedNext;
    private boolean publishedWrap = true;

    /**
     * @param features negotiated bits
     * @param space memory of this queue; the queue is its only user
     * @param completion told about chains that the handler finishes
     * @throws VirtqueueException an area is not accessible or misaligned
     */
    public PackedVirtqueue(QueueConfig config, long features, DmaSpace space, ChainCompletion completion)
            throws VirtqueueException {
        super(checked(config), features, space);
        this.walker = new PackedWalker(desc, size, isIndirect(features), builder);
        this.free = new DescriptorChain[size];
        for (int i = 0; i < size; i++) {
            free[i] = new DescriptorChain(completion);
        }
        this.freeCount = size;
        this.idInUse = new boolean[size];
        this.used = new PackedUsedWriter(desc, size, isInOrder(features));
        start();
    }

    private static QueueConfig checked(QueueConfig config) throws VirtqueueException {
        if (config.size() < 1 || config.size() > MAX_SIZE) {
            throw new VirtqueueException("queue size " + config.size() + " of a packed virtqueue");
        }
        return config;
    }

    @Override
    public DescriptorChain poll() throws VirtqueueException {
        if (mustWait()) {
            return null;
        }
        if (!desc.isAttached() || desc.isRemote() && copied <= 0 && !copyRing()) {
            return nothing();
        }
        int flags = desc.getU16Acquire(nextAvail * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS);
        if (!isAvailable(flags, availWrap)) {
            return nothing();
        }
        if (freeCount == 0) {
            throw new VirtqueueException("more chains made available than a queue of " + size + " holds");
        }
        DescriptorChain chain = free[freeCount - 1];
        chain.begin(0);
        builder.begin(chain);
        claim(chain, walker.walk(nextAvail, flags));
        freeCount--;
        polled(chain);
        return chain;
    }

    private DescriptorChain nothing() {
        emptyAt = nextAvail;
        emptyWrap = availWrap;
        return null;
    }

    /** Two messages: a descriptor must be read after its flags were seen, and within a message there is no order. */
    private boolean copyRing() throws VirtqueueException {
        RingIo.fetch(desc, 0, descBytes(size));
        int at = nextAvail;
        boolean wrap = availWrap;
        int count = 0;
        while (count < size && isAvailable(desc.getU16(at * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS), wrap)) {
            count++;
            if (++at == size) {
                at = 0;
                wrap = !wrap;
            }
        }
        if (count > 0) {
            RingIo.fetch(desc, 0, descBytes(size));
        }
        copied = count;
        return count > 0;
    }

    private void claim(DescriptorChain chain, int count) throws VirtqueueException {
        int id = walker.id();
        if (id >= size) {
            throw new VirtqueueException("buffer id " + id + " in a queue of " + size);
        }
        if (idInUse[id]) {
            throw new VirtqueueException("buffer id " + id + " made available while in use");
        }
        idInUse[id] = true;
        chain.setHead(id);
        builder.finish(count);
        copied = Math.max(0, copied - count);
        nextAvail += count;
        if (nextAvail >= size) {
            nextAvail -= size;
            availWrap = !availWrap;
        }
    }

    @Override
    public void unpoll(DescriptorChain chain) {
        nextAvail -= chain.descriptorCount();
        if (nextAvail < 0) {
            nextAvail += size;
            availWrap = !availWrap;
        }
        copied = 0;
        unpolled(chain);
        recycle(chain);
    }

    private void recycle(DescriptorChain chain) {
        idInUse[chain.head()] = false;
        free[freeCount++] = chain;
    }

    @Override
    void use(DescriptorChain chain, long length) {
        int count = chain.descriptorCount();
        boolean whole = length == chain.writableSegments().totalBytes();
        used.add(chain.head(), length, whole, count);
        unpublished += count;
        ended(chain);
        recycle(chain);
    }

    @Override
    public void publishUsed() throws VirtqueueException {
        used.publish();
        sinceNotified += unpublished;
        unpublished = 0;
        publishedNext = used.next();
        publishedWrap = used.wrap();
    }

    @Override
    public boolean driverWantsNotification() throws VirtqueueException {
        boolean wants = wantsNotification();
        sinceNotified = 0;
        return wants;
    }

    @Override
    public boolean driverStillWantsNotification() throws VirtqueueException {
        boolean wants = wantsNotification();
        sinceNotified = wants ? sinceNotified : 0;
        return wants;
    }

    private boolean wantsNotification() throws VirtqueueException {
        if (sinceNotified == 0) {
            return false;
        }
        int count = Math.min(sinceNotified, size);
        RingAccess.fullFence();
        RingIo.fetch(driverEvent, 0, EVENT_SIZE);
        long event = driverEvent.getU32(EVENT_DESC);
        return switch ((int) (event >>> 16) & 3) {
            case RING_EVENT_FLAGS_DISABLE -> false;
            case RING_EVENT_FLAGS_DESC ->
                !eventIdx || needEvent((int) event & 0xffff, publishedNext, publishedWrap, count, size);
            default -> true;
        };
    }

    @Override
    public void suppressKicks() throws VirtqueueException {
        if (deviceEvent.isAttached()) {
            deviceEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE);
            RingIo.flush(deviceEvent, EVENT_FLAGS, 2);
        }
    }

    @Override
    public boolean enableKicks() throws VirtqueueException {
        return enableKicks(nextAvail, availWrap);
    }

    @Override
    public boolean enableKicksForMore() throws VirtqueueException {
        return enableKicks(emptyAt, emptyWrap);
    }

    /** @param position of the descriptor of which the driver is to notify: virtio 1.4 2.8.10 */
    private boolean enableKicks(int position, boolean wrap) throws VirtqueueException {
        if (!deviceEvent.isAttached()) {
            return false;
        }
        if (eventIdx) {
            deviceEvent.putU16(EVENT_DESC, position | (wrap ? EVENT_WRAP : 0));
            deviceEvent.putU16Release(EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
        } else {
            deviceEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
        }
        RingIo.flush(deviceEvent, 0, EVENT_SIZE);
        RingAccess.fullFence();
        int at = position * DESCRIPTOR_SIZE;
        RingIo.fetch(desc, at, DESCRIPTOR_SIZE);
        return isAvailable(desc.getU16Acquire(at + DESCRIPTOR_FLAGS), wrap);
    }

    @Override
    public boolean hasAvailable() {
        return desc.isAttached()
                && !desc.isRemote()
                && isAvailable(desc.getU16Acquire(nextAvail * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS), availWrap);
    }

    @Override
    public boolean isRemote() {
        return desc.isRemote() || driverEvent.isRemote() || deviceEvent.isRemote();
    }

    @Override
    public boolean reattach() {
        copied = 0;
        return super.reattach();
    }

    @Override
    void detachAreas() {
        desc.detach();
        driverEvent.detach();
        deviceEvent.detach();
    }

    @Override
    void attachAreas() throws DmaFaultException {
        space.attach(config.queueDesc(), descBytes(size), DESC_ALIGNMENT, DmaAccess.WRITE, desc);
        space.attach(config.queueDriver(), EVENT_SIZE, EVENT_ALIGNMENT, DmaAccess.READ, driverEvent);
        space.attach(config.queueDevice(), EVENT_SIZE, EVENT_ALIGNMENT, DmaAccess.WRITE, deviceEvent);
    }
}
