package org.virtiobackend.virtio.queue.driver;

import static org.virtiobackend.virtio.queue.SplitLayout.*;

import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DriverMemory;

/**
 * The driver side of a split virtqueue (virtio 1.4 2.7). The areas are open to tests and conformance checks, which break the
 * rules on purpose: {@link #desc}, {@link #avail}, {@link #used}.
 */
public final class SplitDriverQueue extends AbstractDriverQueue {
    private final int mask;
    private final RingAccess desc;
    private final RingAccess avail;
    private final RingAccess used;
    private final RingAccess tables;

    /** Link to the next free descriptor, or of a chain in use to its next one. */
    private final int[] next;
    /** Descriptors of the chain that starts here; 0 when not a head in use. */
    private final int[] chainLength;

    private int firstFree;
    private int nextAvail;
    private int publishedAvail;
    private int kickedAvail;
    private int nextUsed;

    private SplitDriverQueue(int index, int size, long features, DriverMemory memory) {
        super(index, size, features, layOut(size, features, memory));
        this.mask = size - 1;
        this.desc = areas.desc;
        this.avail = areas.driver;
        this.used = areas.device;
        this.tables = areas.tables;
        this.next = new int[size];
        this.chainLength = new int[size];
        for (int i = 0; i < size; i++) {
            next[i] = i + 1;
        }
        if (order != null) {
            next[size - 1] = 0; // virtio 1.4 2.7.5: descriptors in ring order, around the end
        }
    }

    private static DriverAreas layOut(int size, long features, DriverMemory memory) {
        return new DriverAreas(
                memory,
                new DriverAreas.Layout(descBytes(size), DESC_ALIGNMENT),
                new DriverAreas.Layout(availBytes(size), AVAIL_ALIGNMENT),
                new DriverAreas.Layout(usedBytes(size), USED_ALIGNMENT),
                isIndirect(features) ? size : 0);
    }

    /**
     * Allocates the areas (and an indirect table per slot when INDIRECT_DESC is in {@code features}).
     *
     * @param size a power of two of at most 32768
     * @throws IllegalStateException when {@code memory} has no room
     */
    public static SplitDriverQueue create(int index, int size, long features, DriverMemory memory) {
        return new SplitDriverQueue(index, size, features, memory);
    }

    @Override
    public int add(long[] addresses, int[] lengths, int readableCount, int writableCount) {
        int count = readableCount + writableCount;
        boolean useTable = usesTable(count);
        int needed = useTable ? 1 : count;
        if (needed == 0 || needed > free) {
            return -1;
        }
        int head = firstFree;
        if (useTable) {
            firstFree = next[head];
            writeTable(head, addresses, lengths, readableCount, count);
        } else {
            firstFree = writeChain(head, addresses, lengths, readableCount, count);
        }
        free -= needed;
        chainLength[head] = needed;
        submitted(head, lengths, readableCount, count);
        avail.putU16(RING + AVAIL_ENTRY * (nextAvail & mask), head);
        nextAvail = (nextAvail + 1) & 0xffff;
        return head;
    }

    private void writeTable(int head, long[] addresses, int[] lengths, int readableCount, int count) {
        int base = DriverAreas.tableOffset(head);
        for (int i = 0; i < count; i++) {
            int flags = (i < readableCount ? 0 : VIRTQ_DESC_F_WRITE) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);
            writeDescriptor(tables, base + i * DESCRIPTOR_SIZE, addresses[i], lengths[i], flags, i + 1);
        }
        writeDescriptor(
                desc,
                head * DESCRIPTOR_SIZE,
                areas.tableAddress(head),
                count * DESCRIPTOR_SIZE,
                VIRTQ_DESC_F_INDIRECT,
                0);
    }

    private int writeChain(int head, long[] addresses, int[] lengths, int readableCount, int count) {
        int at = head;
        for (int i = 0; i < count; i++) {
            int following = next[at];
            int flags = (i < readableCount ? 0 : VIRTQ_DESC_F_WRITE) | (i + 1 < count ? VIRTQ_DESC_F_NEXT : 0);
            writeDescriptor(desc, at * DESCRIPTOR_SIZE, addresses[i], lengths[i], flags, following);
            at = following;
        }
        return at;
    }

    private static void writeDescriptor(RingAccess where, int at, long address, int length, int flags, int next) {
        where.putU64(at + DESCRIPTOR_ADDR, address);
        where.putU64(at + DESCRIPTOR_LEN, length & 0xffff_ffffL | (long) flags << 32 | (long) (next & 0xffff) << 48);
    }

    @Override
    public void publish() {
        avail.putU16Release(IDX, nextAvail);
        publishedAvail = nextAvail;
    }

    @Override
    public boolean deviceWantsKick() {
        RingAccess.fullFence();
        if (eventIdx) {
            boolean wanted = needEvent(used.getU16(availEvent(size)), publishedAvail, kickedAvail);
            kickedAvail = publishedAvail;
            return wanted;
        }
        return (used.getU16(FLAGS) & VIRTQ_USED_F_NO_NOTIFY) == 0;
    }

    @Override
    public int nextAvailable() {
        return publishedAvail;
    }

    @Override
    public int pollUsed() {
        if (order != null) {
            return pollInOrder();
        }
        if (used.getU16Acquire(IDX) == nextUsed) {
            return -1;
        }
        long element = used.getU64(RING + USED_ENTRY * (nextUsed & mask));
        long head = element & 0xffff_ffffL;
        if (head >= size || chainLength[(int) head] == 0) {
            throw new IllegalStateException("device returned descriptor " + head + ", which it does not own");
        }
        usedLength(element >>> 32);
        nextUsed = (nextUsed + 1) & 0xffff;
        recycle((int) head);
        return (int) head;
    }

    private int pollInOrder() {
        if (!isInBatch()) {
            int ahead = (used.getU16Acquire(IDX) - nextUsed) & 0xffff;
            if (ahead == 0) {
                return -1;
            }
            // virtio 1.4 2.7.9: one entry may stand for several chains, and names the last
            long element = used.getU64(RING + USED_ENTRY * (nextUsed & mask));
            beginBatch(element & 0xffff_ffffL, ahead, element >>> 32);
        }
        int head = takeInOrder();
        nextUsed = (nextUsed + 1) & 0xffff;
        recycle(head);
        return head;
    }

    private void recycle(int head) {
        int count = chainLength[head];
        free += count;
        chainLength[head] = 0;
        if (order != null) {
            return; // the links stay a circle
        }
        int last = head;
        for (int i = 1; i < count; i++) {
            last = next[last];
        }
        next[last] = firstFree;
        firstFree = head;
    }

    @Override
    public boolean enableInterrupts() {
        if (eventIdx) {
            avail.putU16(usedEvent(size), nextUsed);
        } else {
            avail.putU16(FLAGS, 0);
        }
        RingAccess.fullFence();
        return used.getU16Acquire(IDX) != nextUsed;
    }

    @Override
    public void disableInterrupts() {
        if (eventIdx) {
            // An event index just behind asks for nothing until the counter wraps.
            avail.putU16(usedEvent(size), (nextUsed - 1) & 0xffff);
        } else {
            avail.putU16(FLAGS, VIRTQ_AVAIL_F_NO_INTERRUPT);
        }
    }

    /** The descriptor area itself, for those who break it on purpose. */
    public RingAccess desc() {
        return desc;
    }

    /** The driver area itself. */
    public RingAccess avail() {
        return avail;
    }

    /** The device area itself. */
    public RingAccess used() {
        return used;
    }
}
