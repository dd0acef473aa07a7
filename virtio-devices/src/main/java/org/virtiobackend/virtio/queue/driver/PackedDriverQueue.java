package org.virtiobackend.virtio.queue.driver;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.VirtioFeature;

/** The driver side of a packed virtqueue (virtio 1.4 2.8), its areas open to those who break the rules on purpose. */
public final class PackedDriverQueue implements DriverVirtqueue {
    private final int index;
    private final int size;
    private final boolean indirect;
    private final boolean eventIdx;
    private final DriverAreas areas;
    private final RingAccess desc;
    private final RingAccess driverEvent;
    private final RingAccess deviceEvent;
    private final RingAccess tables;

    /** Free buffer ids; the first {@link #freeIdCount} are valid. */
    private final int[] freeIds;
    /** Ring descriptors that the buffer with this id occupies; 0 when the driver owns it. */
    private final int[] occupied;

    /** Null without IN_ORDER. */
    private final SubmissionOrder order;
    /** Writable bytes of the buffer with this id; kept in order only. */
    private final long[] writableBytes;

    private final long[] addresses;
    private final int[] lengths;

    private int freeIdCount;
    private int free;
    private int nextAvail;
    private boolean availWrap = true;
    private int nextUsed;
    private boolean usedWrap = true;
    private int batchAt = -1;
    private int batchFlags;
    private int sinceKick;
    private int nextAvailable = EVENT_WRAP;
    private long usedLength;
    private long batchLength;

    private PackedDriverQueue(int index, int size, long features, DriverMemory memory) {
        this.index = index;
        this.size = size;
        this.indirect = (features & VirtioFeature.VIRTIO_F_INDIRECT_DESC) != 0;
        this.eventIdx = (features & VirtioFeature.VIRTIO_F_EVENT_IDX) != 0;
        DriverAreas.Layout event = new DriverAreas.Layout(EVENT_SIZE, EVENT_ALIGNMENT);
        this.areas = new DriverAreas(
                memory, new DriverAreas.Layout(descBytes(size), DESC_ALIGNMENT), event, event, indirect ? size : 0);
        this.desc = areas.desc;
        this.driverEvent = areas.driver;
        this.deviceEvent = areas.device;
        this.tables = areas.tables;
        this.freeIds = new int[size];
        this.occupied = new int[size];
        this.addresses = new long[size];
        this.lengths = new int[size];
        for (int i = 0; i < size; i++) {
            freeIds[i] = size - 1 - i;
        }
        this.freeIdCount = size;
        this.free = size;
        boolean inOrder = (features & VirtioFeature.VIRTIO_F_IN_ORDER) != 0;
        this.order = inOrder ? new SubmissionOrder(size) : null;
        this.writableBytes = new long[size];
    }

    /**
     * Allocates the areas (and an indirect table per buffer id when INDIRECT_DESC is in {@code features}).
     *
     * @param size 1 to 32768, any number
     * @throws IllegalStateException when {@code memory} has no room
     */
    public static PackedDriverQueue create(int index, int size, long features, DriverMemory memory) {
        return new PackedDriverQueue(index, size, features, memory);
    }

    /** Gives the areas back; the device must have been reset before. */
    public void release(DriverMemory memory) {
        areas.release(memory);
    }

    public int index() {
        return index;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public int freeDescriptors() {
        return free;
    }

    @Override
    public int add(DmaBuffer[] readable, int readableCount, DmaBuffer[] writable, int writableCount) {
        if (readableCount + writableCount > size) {
            return -1;
        }
        DriverRings.flatten(readable, readableCount, addresses, lengths, 0);
        DriverRings.flatten(writable, writableCount, addresses, lengths, readableCount);
        return add(addresses, lengths, readableCount, writableCount);
    }

    @Override
    public int add(long[] addresses, int[] lengths, int readableCount, int writableCount) {
        int count = readableCount + writableCount;
        boolean useTable = indirect && count > 1 && count <= DriverAreas.TABLE_ENTRIES;
        int needed = useTable ? 1 : count;
        if (needed == 0 || needed > free || freeIdCount == 0) {
            return -1;
        }
        int id = freeIds[--freeIdCount];
        occupied[id] = needed;
        free -= needed;
        if (order != null) {
            order.add(id);
            writableBytes[id] = DriverRings.total(lengths, readableCount, count);
        }
        if (useTable) {
            writeTable(id, addresses, lengths, readableCount, count);
            writeDescriptor(areas.tableAddress(id), count * DESCRIPTOR_SIZE, id, VIRTQ_DESC_F_INDIRECT);
        } else {
            for (int i = 0; i < count; i++) {
                int flags = (i < readableCount ? 0 : VIRTQ_DESC_F_WRITE) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);
                writeDescriptor(addresses[i], lengths[i], id, flags);
            }
        }
        return id;
    }

    private void writeTable(int id, long[] addresses, int[] lengths, int readableCount, int count) {
        int base = DriverAreas.tableOffset(id);
        for (int i = 0; i < count; i++) {
            int at = base + i * DESCRIPTOR_SIZE;
            tables.putU64(at + DESCRIPTOR_ADDR, addresses[i]);
            tables.putU32(at + DESCRIPTOR_LEN, lengths[i]);
            tables.putU16(at + DESCRIPTOR_ID, 0);
            tables.putU16(at + DESCRIPTOR_FLAGS, i < readableCount ? 0 : VIRTQ_DESC_F_WRITE);
        }
    }

    /** The first descriptor of a batch gets its flags with {@link #publish}: the device looks at them in order. */
    private void writeDescriptor(long address, int length, int id, int flags) {
        int base = nextAvail * DESCRIPTOR_SIZE;
        desc.putU64(base + DESCRIPTOR_ADDR, address);
        desc.putU32(base + DESCRIPTOR_LEN, length);
        desc.putU16(base + DESCRIPTOR_ID, id);
        int allFlags = flags | availFlags(availWrap);
        if (batchAt < 0) {
            batchAt = nextAvail;
            batchFlags = allFlags;
        } else {
            desc.putU16(base + DESCRIPTOR_FLAGS, allFlags);
        }
        sinceKick++;
        if (++nextAvail == size) {
            nextAvail = 0;
            availWrap = !availWrap;
        }
    }

    @Override
    public void publish() {
        if (batchAt >= 0) {
            desc.putU16Release(batchAt * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS, batchFlags);
            batchAt = -1;
            nextAvailable = nextAvail | (availWrap ? EVENT_WRAP : 0);
        }
    }

    @Override
    public int nextAvailable() {
        return nextAvailable;
    }

    @Override
    public boolean deviceWantsKick() {
        RingAccess.fullFence();
        long event = deviceEvent.getU32(EVENT_DESC);
        int count = sinceKick;
        sinceKick = 0;
        return switch ((int) (event >>> 16) & 3) {
            case RING_EVENT_FLAGS_DISABLE -> false;
            case RING_EVENT_FLAGS_DESC ->
                needEvent((int) event & 0xffff, nextAvail, availWrap, Math.min(count, size), size);
            default -> true;
        };
    }

    @Override
    public int pollUsed() {
        if (order != null && order.batch() > 0) {
            return takeInOrder();
        }
        int base = nextUsed * DESCRIPTOR_SIZE;
        int flags = desc.getU16Acquire(base + DESCRIPTOR_FLAGS);
        if (!isUsed(flags, usedWrap)) {
            return -1;
        }
        int id = desc.getU16(base + DESCRIPTOR_ID);
        // virtio 1.4 2.8.4: the length means something only with the write flag
        long length = (flags & VIRTQ_DESC_F_WRITE) != 0 ? desc.getU32(base + DESCRIPTOR_LEN) : 0;
        if (order != null) {
            order.begin(id, size);
            batchLength = length;
            return takeInOrder();
        }
        if (id >= size || occupied[id] == 0) {
            throw new IllegalStateException("device returned buffer id " + id + ", which it does not own");
        }
        usedLength = length;
        recycle(id);
        return id;
    }

    /** virtio 1.4 2.8.8: one used descriptor may stand for several buffers, and names the last. */
    private int takeInOrder() {
        int id = order.take();
        usedLength = order.batch() == 0 ? batchLength : writableBytes[id];
        recycle(id);
        return id;
    }

    private void recycle(int id) {
        nextUsed += occupied[id];
        if (nextUsed >= size) {
            nextUsed -= size;
            usedWrap = !usedWrap;
        }
        free += occupied[id];
        occupied[id] = 0;
        freeIds[freeIdCount++] = id;
    }

    @Override
    public long usedLength() {
        return usedLength;
    }

    @Override
    public boolean enableInterrupts() {
        if (eventIdx) {
            driverEvent.putU16(EVENT_DESC, nextUsed | (usedWrap ? EVENT_WRAP : 0));
            driverEvent.putU16Release(EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
        } else {
            driverEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
        }
        RingAccess.fullFence();
        boolean inBatch = order != null && order.batch() > 0;
        return inBatch || isUsed(desc.getU16Acquire(nextUsed * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS), usedWrap);
    }

    @Override
    public void disableInterrupts() {
        driverEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE);
    }

    @Override
    public long queueDesc() {
        return areas.descAddress();
    }

    @Override
    public long queueDriver() {
        return areas.driverAddress();
    }

    @Override
    public long queueDevice() {
        return areas.deviceAddress();
    }

    /** The descriptor ring itself. */
    public RingAccess desc() {
        return desc;
    }

    /** The driver event suppression structure itself. */
    public RingAccess driverEvent() {
        return driverEvent;
    }

    /** The device event suppression structure itself. */
    public RingAccess deviceEvent() {
        return deviceEvent;
    }
}
