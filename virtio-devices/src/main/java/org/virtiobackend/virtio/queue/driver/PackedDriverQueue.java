package org.virtiobackend.virtio.queue.driver;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DriverMemory;

/** The driver side of a packed virtqueue (virtio 1.4 2.8), its areas open to those who break the rules on purpose. */
public final class PackedDriverQueue extends AbstractDriverQueue {
    private final RingAccess desc;
    private final RingAccess driverEvent;
    private final RingAccess deviceEvent;
    private final RingAccess tables;

    /** Free buffer ids; the first {@link #freeIdCount} are valid. */
    private final int[] freeIds;
    /** Ring descriptors that the buffer with this id occupies; 0 when the driver owns it. */
    private final int[] occupied;

    private int freeIdCount;
    private int nextAvail;
    private boolean availWrap = true;
    private int nextUsed;
    private boolean usedWrap = true;
    private int batchAt = -1;
    private int batchFlags;
    private int sinceKick;
    private int nextAvailable = EVENT_WRAP;

    private PackedDriverQueue(int index, int size, long features, DriverMemory memory) {
        super(index, size, features, layOut(size, features, memory));
        this.desc = areas.desc;
        this.driverEvent = areas.driver;
        this.deviceEvent = areas.device;
        this.tables = areas.tables;
        this.freeIds = new int[size];
        this.occupied = new int[size];
        for (int i = 0; i < size; i++) {
            freeIds[i] = size - 1 - i;
        }
        this.freeIdCount = size;
    }

    private static DriverAreas layOut(int size, long features, DriverMemory memory) {
        DriverAreas.Layout event = new DriverAreas.Layout(EVENT_SIZE, EVENT_ALIGNMENT);
        return new DriverAreas(
                memory,
                new DriverAreas.Layout(descBytes(size), DESC_ALIGNMENT),
                event,
                event,
                isIndirect(features) ? size : 0);
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

    @Override
    public int add(long[] addresses, int[] lengths, int readableCount, int writableCount) {
        int count = readableCount + writableCount;
        boolean useTable = usesTable(count);
        int needed = useTable ? 1 : count;
        if (needed == 0 || needed > free || freeIdCount == 0) {
            return -1;
        }
        int id = freeIds[--freeIdCount];
        occupied[id] = needed;
        free -= needed;
        submitted(id, lengths, readableCount, count);
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
        if (isInBatch()) {
            return takeNext();
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
            beginBatch(id, size, length);
            return takeNext();
        }
        if (id >= size || occupied[id] == 0) {
            throw new IllegalStateException("device returned buffer id " + id + ", which it does not own");
        }
        usedLength(length);
        recycle(id);
        return id;
    }

    /** virtio 1.4 2.8.8: one used descriptor may stand for several buffers, and names the last. */
    private int takeNext() {
        int id = takeInOrder();
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
    public boolean enableInterrupts() {
        if (eventIdx) {
            driverEvent.putU16(EVENT_DESC, nextUsed | (usedWrap ? EVENT_WRAP : 0));
            driverEvent.putU16Release(EVENT_FLAGS, RING_EVENT_FLAGS_DESC);
        } else {
            driverEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_ENABLE);
        }
        RingAccess.fullFence();
        return isInBatch() || isUsed(desc.getU16Acquire(nextUsed * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS), usedWrap);
    }

    @Override
    public void disableInterrupts() {
        driverEvent.putU16(EVENT_FLAGS, RING_EVENT_FLAGS_DISABLE);
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
