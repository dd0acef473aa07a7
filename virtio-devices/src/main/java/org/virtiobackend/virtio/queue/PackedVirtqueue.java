package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.virtio.VirtioFeature;

/** The device side of a packed virtqueue (virtio 1.4 2.8). */
public final class PackedVirtqueue implements Virtqueue {
    private final QueueConfig config;
    private final int size;
    private final boolean indirect;
    private final boolean eventIdx;
    private final DmaSpace space;
    private final ChainBuilder builder;
    /** Chain objects that no request uses; the first {@link #freeCount} are valid. */
    private final DescriptorChain[] free;
    /** Buffer ids that the device owns now. */
    private final boolean[] idInUse;

    private final RingAccess desc = new RingAccess();
    private final RingAccess driverEvent = new RingAccess();
    private final RingAccess deviceEvent = new RingAccess();

    private int freeCount;
    private int nextAvail;
    private boolean availWrap = true;
    private int nextUsed;
    private boolean usedWrap = true;

    /** Where the first used descriptor of the batch goes, and its flags, which are written last; -1: no batch. */
    private int batchAt = -1;

    private int batchFlags;
    /** Descriptors passed since the driver was last told. */
    private int sinceNotified;

    private int inFlight;

    /**
     * @param features negotiated bits
     * @param space memory of this queue; the queue is its only user
     * @param completion told about chains that the handler finishes
     * @throws VirtqueueException an area is not accessible or misaligned
     */
    public PackedVirtqueue(QueueConfig config, long features, DmaSpace space, ChainCompletion completion)
            throws VirtqueueException {
        if (config.size() < 1 || config.size() > MAX_SIZE) {
            throw new VirtqueueException("queue size " + config.size() + " of a packed virtqueue");
        }
        this.config = config;
        this.size = config.size();
        this.indirect = (features & VirtioFeature.VIRTIO_F_INDIRECT_DESC) != 0;
        this.eventIdx = (features & VirtioFeature.VIRTIO_F_EVENT_IDX) != 0;
        this.space = space;
        this.builder = new ChainBuilder(space, size);
        this.free = new DescriptorChain[size];
        for (int i = 0; i < size; i++) {
            free[i] = new DescriptorChain(completion);
        }
        this.freeCount = size;
        this.idInUse = new boolean[size];
        space.refresh();
        try {
            attachAreas();
        } catch (DmaFaultException e) {
            throw ChainBuilder.fault("queue " + config.index(), e);
        }
    }

    @Override
    public int index() {
        return config.index();
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public DescriptorChain poll() throws VirtqueueException {
        if (!desc.isAttached()) {
            return null;
        }
        if (desc.isRemote()) {
            fetch(desc, 0, descBytes(size));
        }
        int flags = desc.getU16Acquire(nextAvail * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS);
        if (!isAvailable(flags, availWrap)) {
            return null;
        }
        if (freeCount == 0) {
            throw new VirtqueueException("more chains made available than a queue of " + size + " holds");
        }
        DescriptorChain chain = free[freeCount - 1];
        chain.begin(0);
        builder.begin(chain);
        walk(chain, flags);
        freeCount--;
        inFlight++;
        return chain;
    }

    /** Reads the descriptors of one chain, each once; the first one's flags are known already. */
    private void walk(DescriptorChain chain, int firstFlags) throws VirtqueueException {
        int at = nextAvail;
        int flags = firstFlags;
        int count = 0;
        int id;
        while (true) {
            int base = at * DESCRIPTOR_SIZE;
            long address = desc.getU64(base + DESCRIPTOR_ADDR);
            long rest = desc.getU64(base + DESCRIPTOR_LEN);
            long length = rest & 0xffff_ffffL;
            if (count > 0) {
                flags = (int) (rest >>> 48);
            }
            // virtio 1.4 2.8.6: the buffer id stands in the last descriptor of the list
            id = (int) (rest >>> 32) & 0xffff;
            count++;
            at = at + 1 == size ? 0 : at + 1;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                if (count > 1 || (flags & VIRTQ_DESC_F_NEXT) != 0) {
                    throw new VirtqueueException("indirect descriptor inside a list");
                }
                walkTable(address, length);
                break;
            }
            builder.add(address, length, (flags & VIRTQ_DESC_F_WRITE) != 0);
            if ((flags & VIRTQ_DESC_F_NEXT) == 0) {
                break;
            }
        }
        claim(chain, id, count);
    }

    private void claim(DescriptorChain chain, int id, int count) throws VirtqueueException {
        if (id >= size) {
            throw new VirtqueueException("buffer id " + id + " in a queue of " + size);
        }
        if (idInUse[id]) {
            throw new VirtqueueException("buffer id " + id + " made available while in use");
        }
        idInUse[id] = true;
        chain.setHead(id);
        builder.finish(count);
        nextAvail += count;
        if (nextAvail >= size) {
            nextAvail -= size;
            availWrap = !availWrap;
        }
    }

    // virtio 1.4 2.8.7: every entry of the table belongs to the buffer; of its flags only WRITE means anything
    private void walkTable(long address, long length) throws VirtqueueException {
        if (!indirect) {
            throw new VirtqueueException("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
        }
        int entries = builder.openTable(address, length);
        for (int i = 0; i < entries; i++) {
            long entryAddress = builder.tableLong(i * DESCRIPTOR_SIZE + DESCRIPTOR_ADDR);
            long rest = builder.tableLong(i * DESCRIPTOR_SIZE + DESCRIPTOR_LEN);
            int flags = (int) (rest >>> 48);
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                throw new VirtqueueException("indirect descriptor inside an indirect table");
            }
            builder.add(entryAddress, rest & 0xffff_ffffL, (flags & VIRTQ_DESC_F_WRITE) != 0);
        }
    }

    @Override
    public void unpoll(DescriptorChain chain) {
        nextAvail -= chain.descriptorCount();
        if (nextAvail < 0) {
            nextAvail += size;
            availWrap = !availWrap;
        }
        recycle(chain);
    }

    private void recycle(DescriptorChain chain) {
        idInUse[chain.head()] = false;
        chain.end();
        free[freeCount++] = chain;
        inFlight--;
    }

    @Override
    public void addUsed(DescriptorChain chain, long written) throws VirtqueueException {
        long length = Math.min(written, chain.writableSegments().totalBytes());
        try {
            chain.writableSegments().commit(length);
        } catch (DmaFaultException e) {
            throw ChainBuilder.fault("buffer", e);
        }
        int base = nextUsed * DESCRIPTOR_SIZE;
        int flags = usedFlags(usedWrap) | (length > 0 ? VIRTQ_DESC_F_WRITE : 0);
        desc.putU32(base + DESCRIPTOR_LEN, length);
        desc.putU16(base + DESCRIPTOR_ID, chain.head());
        if (batchAt < 0) {
            // The driver looks at used descriptors in order, so holding back the first holds back all.
            batchAt = nextUsed;
            batchFlags = flags;
            flush(desc, base + DESCRIPTOR_LEN, 6);
        } else {
            desc.putU16(base + DESCRIPTOR_FLAGS, flags);
            flush(desc, base + DESCRIPTOR_LEN, 8);
        }
        sinceNotified += chain.descriptorCount();
        nextUsed += chain.descriptorCount();
        if (nextUsed >= size) {
            nextUsed -= size;
            usedWrap = !usedWrap;
        }
        recycle(chain);
    }

    @Override
    public void publishUsed() throws VirtqueueException {
        if (batchAt < 0) {
            return;
        }
        int at = batchAt * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS;
        desc.putU16Release(at, batchFlags);
        batchAt = -1;
        flush(desc, at, 2);
    }

    @Override
    public boolean driverWantsNotification() throws VirtqueueException {
        RingAccess.fullFence();
        fetch(driverEvent, 0, EVENT_SIZE);
        long event = driverEvent.getU32(EVENT_DESC);
        int count = sinceNotified;
        sinceNotified = 0;
        return switch ((int) (event >>> 16) & 3) {
            case RING_EVENT_FLAGS_DISABLE -> false;
            case RING_EVENT_FLAGS_DESC ->
                !eventIdx || needEvent((int) event & 0xffff, nextUsed, usedWrap, Math.min(count, size), size);
            default -> true;
        };
    }

    @Override
    public void suppressKicks() throws VirtqueueException {
        if (deviceEvent.isAttached()) {
            deviceEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE);
            flush(deviceEvent, EVENT_FLAGS, 2);
        }
    }

    @Override
    public boolean enableKicks() throws VirtqueueException {
        if (!deviceEvent.isAttached()) {
            return false;
        }
        if (eventIdx) {
            deviceEvent.putU16(EVENT_DESC, nextAvail | (availWrap ? EVENT_WRAP : 0));
            deviceEvent.putU16Release(EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
        } else {
            deviceEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
        }
        flush(deviceEvent, 0, EVENT_SIZE);
        RingAccess.fullFence();
        int at = nextAvail * DESCRIPTOR_SIZE;
        fetch(desc, at, DESCRIPTOR_SIZE);
        return isAvailable(desc.getU16Acquire(at + DESCRIPTOR_FLAGS), availWrap);
    }

    @Override
    public boolean hasAvailable() {
        return desc.isAttached()
                && !desc.isRemote()
                && isAvailable(desc.getU16Acquire(nextAvail * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS), availWrap);
    }

    @Override
    public boolean isRemote() {
        return desc.isRemote();
    }

    @Override
    public int inFlight() {
        return inFlight;
    }

    @Override
    public boolean reattach() {
        space.refresh();
        try {
            attachAreas();
            return true;
        } catch (DmaFaultException e) {
            desc.detach();
            driverEvent.detach();
            deviceEvent.detach();
            return false;
        }
    }

    @Override
    public boolean memoryIsIntact() {
        return space.isIntact();
    }

    private void attachAreas() throws DmaFaultException {
        space.attach(config.queueDesc(), descBytes(size), DESC_ALIGNMENT, DmaAccess.WRITE, desc);
        space.attach(config.queueDriver(), EVENT_SIZE, EVENT_ALIGNMENT, DmaAccess.READ, driverEvent);
        space.attach(config.queueDevice(), EVENT_SIZE, EVENT_ALIGNMENT, DmaAccess.WRITE, deviceEvent);
    }

    private static void fetch(RingAccess area, int offset, int length) throws VirtqueueException {
        if (area.isRemote()) {
            try {
                area.fetch(offset, length);
            } catch (DmaFaultException e) {
                throw ChainBuilder.fault("ring", e);
            }
        }
    }

    private static void flush(RingAccess area, int offset, int length) throws VirtqueueException {
        if (area.isRemote()) {
            try {
                area.flush(offset, length);
            } catch (DmaFaultException e) {
                throw ChainBuilder.fault("ring", e);
            }
        }
    }
}
