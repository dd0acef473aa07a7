package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.dma.RingAccess;

/** A packed virtqueue (virtio 1.4 2.8), see {@link RawRing}. Buffer ids count up, round and round. */
public final class PackedRawRing extends RawRing {
    private static final int AVAIL = 1 << 7;
    private static final int USED = 1 << 15;
    private static final int EVENT_FLAGS = 2;
    private static final int ENABLE = 0;
    private static final int DISABLE = 1;
    private static final int DESC = 2;

    private final boolean eventIdx;
    private final Buffer descMemory;
    private final Buffer driverMemory;
    private final Buffer deviceMemory;
    private final RingAccess desc;
    private final RingAccess driverEvent;
    private final RingAccess deviceEvent;
    private final int[] lengths;
    private int nextId;
    private int next;
    private boolean wrap = true;
    private int firstHidden = -1;
    private int hiddenFlags;
    private int sinceKick;
    private int nextUsed;
    private boolean usedWrap = true;

    PackedRawRing(int size, boolean eventIdx, boolean inOrder, Arena arena) {
        super(size, inOrder);
        this.eventIdx = eventIdx;
        this.descMemory = arena.allocate(DESCRIPTOR_BYTES * size, 16);
        this.driverMemory = arena.allocate(4, 4);
        this.deviceMemory = arena.allocate(4, 4);
        this.desc = descMemory.access();
        this.driverEvent = driverMemory.access();
        this.deviceEvent = deviceMemory.access();
        this.lengths = new int[size];
    }

    @Override
    public long queueDesc() {
        return descMemory.address();
    }

    @Override
    public long queueDriver() {
        return driverMemory.address();
    }

    @Override
    public long queueDevice() {
        return deviceMemory.address();
    }

    /** The descriptor ring. */
    public Buffer ring() {
        return descMemory;
    }

    /** Position of the next descriptor. */
    public int next() {
        return next;
    }

    @Override
    int write(List<Piece> pieces) {
        int id = nextId;
        nextId = (nextId + 1) % size;
        lengths[id] = pieces.size();
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            int flags = piece.flags() | (i < pieces.size() - 1 ? F_NEXT : 0);
            putDescriptor(piece.address(), piece.length(), id, flags);
        }
        return id;
    }

    /** Writes the next descriptor; the flags of the first one since {@link #publish} appear last. */
    public void putDescriptor(long address, long length, int id, int flags) {
        int at = next * DESCRIPTOR_BYTES;
        desc.putU64(at, address);
        desc.putU32(at + 8, length);
        desc.putU16(at + 12, id);
        int all = flags | (wrap ? AVAIL : USED);
        if (firstHidden < 0) {
            firstHidden = next;
            hiddenFlags = all;
        } else {
            desc.putU16(at + 14, all);
        }
        sinceKick++;
        if (++next == size) {
            next = 0;
            wrap = !wrap;
        }
    }

    @Override
    public void publish() {
        if (firstHidden >= 0) {
            desc.putU16Release(firstHidden * DESCRIPTOR_BYTES + 14, hiddenFlags);
            firstHidden = -1;
        }
    }

    /** Flags of a descriptor as they stand. */
    public int flags(int position) {
        return desc.getU16Acquire(position * DESCRIPTOR_BYTES + 14);
    }

    @Override
    public boolean hasUsed() {
        int flags = flags(nextUsed);
        boolean used = (flags & USED) != 0;
        return used == ((flags & AVAIL) != 0) && used == usedWrap;
    }

    @Override
    Used read() {
        if (!hasUsed()) {
            return null;
        }
        int at = nextUsed * DESCRIPTOR_BYTES;
        int id = desc.getU16(at + 12);
        if (id >= size) {
            throw new CheckFailure("used descriptor with buffer id " + id + " in a queue of " + size);
        }
        long length = (desc.getU16(at + 14) & 2) != 0 ? desc.getU32(at + 8) : 0;
        skip(id);
        return new Used(id, length);
    }

    @Override
    void skip(int token) {
        nextUsed += lengths[token];
        if (nextUsed >= size) {
            nextUsed -= size;
            usedWrap = !usedWrap;
        }
    }

    @Override
    public void suppressInterrupts() {
        driverEvent.putU16(EVENT_FLAGS, DISABLE);
        RingAccess.fullFence();
    }

    @Override
    public void wantInterrupts() {
        if (eventIdx) {
            wantInterruptAfter(1);
        } else {
            driverEvent.putU16(EVENT_FLAGS, ENABLE);
            RingAccess.fullFence();
        }
    }

    /** Always, event index or not. */
    public void wantEveryInterrupt() {
        driverEvent.putU16(EVENT_FLAGS, ENABLE);
        RingAccess.fullFence();
    }

    @Override
    public void wantInterruptAfter(int count) {
        int at = nextUsed + count - 1;
        boolean atWrap = at >= size ? !usedWrap : usedWrap;
        driverEvent.putU16(0, at % size | (atWrap ? 1 << 15 : 0));
        driverEvent.putU16(EVENT_FLAGS, DESC);
        RingAccess.fullFence();
    }

    /** The device's event suppression structure: position in bits 0 to 15, flags above. */
    public long deviceEvent() {
        return deviceEvent.getU32(0);
    }

    @Override
    public boolean deviceWantsKick() {
        RingAccess.fullFence();
        int count = Math.min(sinceKick, size);
        sinceKick = 0;
        long event = deviceEvent();
        int flags = (int) (event >>> 16) & 3;
        if (flags != DESC) {
            return flags != DISABLE;
        }
        int offset = (int) event & 0x7fff;
        boolean eventWrap = (event & 1 << 15) != 0;
        int target = eventWrap == wrap ? offset : offset - size;
        return target < next && target >= next - count;
    }

    @Override
    int position() {
        return next | (wrap ? 1 << 15 : 0);
    }

    @Override
    void fillTable(Buffer memory, List<Piece> pieces) {
        RingAccess table = memory.access();
        for (int i = 0; i < pieces.size(); i++) {
            int at = i * DESCRIPTOR_BYTES;
            table.putU64(at, pieces.get(i).address());
            table.putU32(at + 8, pieces.get(i).length());
            table.putU16(at + 12, 0);
            table.putU16(at + 14, pieces.get(i).flags());
        }
    }

    @Override
    public List<String> dump() {
        List<String> lines = new ArrayList<>();
        lines.add("packed ring of " + size + ": driver event 0x" + Long.toHexString(driverEvent.getU32(0))
                + ", device event 0x" + Long.toHexString(deviceEvent()) + ", next " + next + (wrap ? "+" : "-")
                + ", next used " + nextUsed + (usedWrap ? "+" : "-"));
        for (int i = 0; i < size; i++) {
            int at = i * DESCRIPTOR_BYTES;
            if (desc.getU64(at) != 0 || desc.getU64(at + 8) != 0) {
                lines.add("  desc[" + i + "] 0x" + Long.toHexString(desc.getU64(at)) + " + " + desc.getU32(at + 8)
                        + " id " + desc.getU16(at + 12) + " " + flagNames(desc.getU16(at + 14)));
            }
        }
        return lines;
    }
}
