package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.dma.RingAccess;

/** A split virtqueue (virtio 1.4 2.7), see {@link RawRing}. Descriptors are taken one after the other, round and round. */
public final class SplitRawRing extends RawRing {
    private static final int FLAGS = 0;
    private static final int INDEX = 2;
    private static final int ENTRIES = 4;

    private final boolean eventIdx;
    private final Buffer descMemory;
    private final Buffer availMemory;
    private final Buffer usedMemory;
    private final RingAccess desc;
    private final RingAccess avail;
    private final RingAccess used;
    private int nextSlot;
    private int nextAvail;
    private int kicked;
    private int nextUsed;

    SplitRawRing(int size, boolean eventIdx, boolean inOrder, Arena arena) {
        super(size, inOrder);
        this.eventIdx = eventIdx;
        this.descMemory = arena.allocate(DESCRIPTOR_BYTES * size, 16);
        this.availMemory = arena.allocate(ENTRIES + 2 * size + 2, 2);
        this.usedMemory = arena.allocate(ENTRIES + 8 * size + 2, 4);
        this.desc = descMemory.access();
        this.avail = availMemory.access();
        this.used = usedMemory.access();
    }

    @Override
    public long queueDesc() {
        return descMemory.address();
    }

    @Override
    public long queueDriver() {
        return availMemory.address();
    }

    @Override
    public long queueDevice() {
        return usedMemory.address();
    }

    /** The descriptor table. */
    public Buffer table() {
        return descMemory;
    }

    /** Next descriptor that a chain will take. */
    public int nextSlot() {
        return nextSlot % size;
    }

    @Override
    int write(List<Piece> pieces) {
        int head = nextSlot();
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            boolean last = i == pieces.size() - 1;
            int slot = nextSlot();
            nextSlot = (slot + 1) % size;
            putDescriptor(
                    slot, piece.address(), piece.length(), piece.flags() | (last ? 0 : F_NEXT), last ? 0 : nextSlot);
        }
        putAvailable(head);
        return head;
    }

    /** Writes one descriptor. */
    public void putDescriptor(int slot, long address, long length, int flags, int next) {
        int at = slot * DESCRIPTOR_BYTES;
        desc.putU64(at, address);
        desc.putU32(at + 8, length);
        desc.putU16(at + 12, flags);
        desc.putU16(at + 14, next);
    }

    public void putFlags(int slot, int flags) {
        desc.putU16(slot * DESCRIPTOR_BYTES + 12, flags);
    }

    public void putNext(int slot, int next) {
        desc.putU16(slot * DESCRIPTOR_BYTES + 14, next);
    }

    /** Writes the next entry of the available ring, whatever it names. */
    public void putAvailable(int head) {
        avail.putU16(ENTRIES + 2 * (nextAvail % size), head);
        nextAvail = nextAvail + 1 & 0xffff;
    }

    @Override
    public void publish() {
        putAvailableIndex(nextAvail);
    }

    /** Stores any index. */
    public void putAvailableIndex(int index) {
        avail.putU16Release(INDEX, index & 0xffff);
    }

    /** The index that {@link #publish} stores. */
    public int nextAvailableIndex() {
        return nextAvail;
    }

    /** The device's index. */
    public int usedIndex() {
        return used.getU16Acquire(INDEX);
    }

    /** The device's flags. */
    public int usedFlags() {
        return used.getU16(FLAGS);
    }

    /** The driver's flags. */
    public void putDriverFlags(int flags) {
        avail.putU16(FLAGS, flags);
        RingAccess.fullFence();
    }

    public void putUsedEvent(int index) {
        avail.putU16(ENTRIES + 2 * size, index & 0xffff);
        RingAccess.fullFence();
    }

    @Override
    public boolean hasUsed() {
        return usedIndex() != nextUsed;
    }

    @Override
    Used read() {
        if (!hasUsed()) {
            return null;
        }
        int ahead = usedIndex() - nextUsed & 0xffff;
        if (ahead > size) {
            throw new CheckFailure("used index is " + ahead + " ahead in a queue of " + size);
        }
        int at = ENTRIES + 8 * (nextUsed % size);
        nextUsed = nextUsed + 1 & 0xffff;
        return new Used((int) used.getU32(at), used.getU32(at + 4));
    }

    @Override
    void skip(int token) {
        nextUsed = nextUsed + 1 & 0xffff;
    }

    @Override
    public void suppressInterrupts() {
        if (eventIdx) {
            putUsedEvent(nextUsed - 1);
        } else {
            putDriverFlags(1);
        }
    }

    @Override
    public void wantInterrupts() {
        if (eventIdx) {
            putUsedEvent(nextUsed);
        } else {
            putDriverFlags(0);
        }
    }

    @Override
    public void wantInterruptAfter(int count) {
        putUsedEvent(nextUsed + count - 1);
    }

    @Override
    public boolean deviceWantsKick() {
        RingAccess.fullFence();
        int from = kicked;
        kicked = nextAvail;
        if (!eventIdx) {
            return (usedFlags() & 1) == 0;
        }
        int event = used.getU16(ENTRIES + 8 * size);
        return (nextAvail - event - 1 & 0xffff) < (nextAvail - from & 0xffff);
    }

    @Override
    int position() {
        return nextAvail;
    }

    @Override
    void fillTable(Buffer memory, List<Piece> pieces) {
        RingAccess table = memory.access();
        for (int i = 0; i < pieces.size(); i++) {
            boolean last = i == pieces.size() - 1;
            int at = i * DESCRIPTOR_BYTES;
            table.putU64(at, pieces.get(i).address());
            table.putU32(at + 8, pieces.get(i).length());
            table.putU16(at + 12, pieces.get(i).flags() | (last ? 0 : F_NEXT));
            table.putU16(at + 14, last ? 0 : i + 1);
        }
    }

    @Override
    public List<String> dump() {
        List<String> lines = new ArrayList<>();
        lines.add("split ring of " + size + ": available flags " + avail.getU16(FLAGS) + " index " + avail.getU16(INDEX)
                + " used_event " + avail.getU16(ENTRIES + 2 * size) + "; used flags " + usedFlags() + " index "
                + usedIndex() + " avail_event " + used.getU16(ENTRIES + 8 * size));
        for (int slot = 0; slot < size; slot++) {
            int at = slot * DESCRIPTOR_BYTES;
            if (desc.getU64(at) != 0 || desc.getU64(at + 8) != 0) {
                lines.add("  desc[" + slot + "] 0x" + Long.toHexString(desc.getU64(at)) + " + " + desc.getU32(at + 8)
                        + " " + flagNames(desc.getU16(at + 12)) + " next " + desc.getU16(at + 14));
            }
        }
        int count = Math.min(usedIndex(), size);
        for (int i = 0; i < count; i++) {
            int at = ENTRIES + 8 * i;
            lines.add("  used[" + i + "] id " + used.getU32(at) + " len " + used.getU32(at + 4));
        }
        return lines;
    }
}
