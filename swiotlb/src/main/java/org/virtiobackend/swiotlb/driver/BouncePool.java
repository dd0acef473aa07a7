package org.virtiobackend.swiotlb.driver;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.LongAdder;
import org.virtiobackend.posix.Mapping;

/**
 * The driver's side of restricted DMA: slots of 2 KiB in the device's region, through which buffers outside it are bounced, and
 * from which buffers that live inside it are taken.
 *
 * <p>{@link #map} copies in what the device will read, {@link #unmap} copies out what it wrote: one copy per direction, and none
 * for memory from {@link #allocate}. When the pool is full both say so and the caller waits for its requests: back-pressure.
 * Thread-safe; each thread should pass a hint of its own so that they meet different locks. The region stays its owner's.
 */
public final class BouncePool implements DriverMemory {
    /** Bytes of a slot. */
    public static final int SLOT_BYTES = 2048;

    private static final int SLOT_SHIFT = 11;
    private static final int PAGE_BYTES = 4096;
    private static final int PAGE_SLOTS = PAGE_BYTES / SLOT_BYTES;
    private static final int MIN_AREA_SLOTS = 512;

    private final Mapping region;
    private final long dmaBase;
    private final BounceArea[] areas;
    private final int areaSlots;
    private final LongAdder maps = new LongAdder();
    private final LongAdder bytes = new LongAdder();
    private final LongAdder failures = new LongAdder();

    /** What the device does with a mapped buffer. */
    public enum Direction {
        TO_DEVICE,
        FROM_DEVICE,
        BOTH
    }

    /**
     * @param region the device's memory as the driver has mapped it
     * @param dmaBase what the driver writes for the region's first byte: the BAR's bus address (SWIOTLB) or 0 (DMB); the first
     *     slot is never handed out, so no address is 0
     * @param wantedAreas parts with a lock of their own, at least 1; fewer when the region is small
     */
    public BouncePool(Mapping region, long dmaBase, int wantedAreas) {
        this.region = region;
        this.dmaBase = dmaBase;
        int slots = (int) Math.min(region.length() >>> SLOT_SHIFT, Integer.MAX_VALUE);
        int count = Math.max(1, Math.min(wantedAreas, slots / MIN_AREA_SLOTS));
        // An area never crosses a window of the mapping: windows hold a power of two of slots, so do areas.
        this.areaSlots = Math.min(Integer.highestOneBit(slots / count), (int) (Mapping.WINDOW_BYTES >>> SLOT_SHIFT));
        this.areas = new BounceArea[slots / areaSlots];
        for (int i = 0; i < areas.length; i++) {
            areas[i] = new BounceArea(areaSlots);
        }
        areas[0].take(1, 1);
    }

    /**
     * Gives a buffer outside the region an address, copying it in when the device will read it.
     *
     * @param data the buffer's memory, from {@code offset}; kept until {@link #unmap}
     * @param length bytes, more than 0
     * @param hint any number that differs between threads
     * @param out gets the mapping; must be free
     * @return false when the pool is full: nothing is mapped
     */
    public boolean map(ByteBuffer data, int offset, int length, Direction direction, int hint, Bounce out) {
        // A page is one entry of either side's TLB, when there is the choice.
        if (!(length >= PAGE_BYTES && take(length, PAGE_SLOTS, hint, out)) && !take(length, 1, hint, out)) {
            failures.increment();
            return false;
        }
        out.data = data;
        out.dataOffset = offset;
        out.direction = direction;
        if (direction != Direction.FROM_DEVICE) {
            out.memory.put(out.memoryOffset, data, offset, length);
            bytes.add(length);
        }
        maps.increment();
        return true;
    }

    /**
     * Ends a mapping, copying out what the device wrote.
     *
     * @param written bytes from the start that the device says it wrote; the rest of the buffer keeps what it had, so stale bytes
     *     of the region never reach it
     */
    public void unmap(Bounce bounce, int written) {
        if (bounce.direction != Direction.TO_DEVICE) {
            syncForCpu(bounce, 0, Math.min(written, bounce.length));
        }
        bounce.data = null;
        giveBack(bounce.memoryOffsetInRegion, bounce.length);
    }

    /** Copies a part out, while the mapping goes on. */
    public void syncForCpu(Bounce bounce, int from, int length) {
        bounce.data.put(bounce.dataOffset + from, bounce.memory, bounce.memoryOffset + from, length);
        bytes.add(length);
    }

    /** Copies a part in, while the mapping goes on. */
    public void syncForDevice(Bounce bounce, int from, int length) {
        bounce.memory.put(bounce.memoryOffset + from, bounce.data, bounce.dataOffset + from, length);
        bytes.add(length);
    }

    @Override
    public DmaBuffer allocate(int length, int alignment) {
        Bounce place = new Bounce();
        int slotAlignment = Math.max(1, alignment >>> SLOT_SHIFT);
        if (!take(length, slotAlignment, 0, place)) {
            failures.increment();
            return null;
        }
        for (int i = 0; i < length; i++) {
            place.memory.put(place.memoryOffset + i, (byte) 0);
        }
        return new DmaBuffer(place.memory, place.memoryOffset, length, place.dmaAddress);
    }

    @Override
    public void free(DmaBuffer buffer) {
        giveBack(buffer.dmaAddress() - dmaBase, buffer.length());
    }

    /** Bytes handed out now. */
    public long usedBytes() {
        long slots = -1;
        for (BounceArea area : areas) {
            slots += area.used();
        }
        return slots << SLOT_SHIFT;
    }

    /** Most bytes handed out at once, as far as the areas know: the sum of their marks. */
    public long highWaterBytes() {
        long slots = -1;
        for (BounceArea area : areas) {
            slots += area.highWater();
        }
        return slots << SLOT_SHIFT;
    }

    /** Buffers mapped so far. */
    public long mapCount() {
        return maps.sum();
    }

    /** Bytes copied in or out so far. */
    public long copiedBytes() {
        return bytes.sum();
    }

    /** Times that the pool was full. */
    public long failureCount() {
        return failures.sum();
    }

    private boolean take(int length, int alignment, int hint, Bounce out) {
        int count = slots(length);
        for (int i = 0; i < areas.length; i++) {
            int area = Math.floorMod(hint + i, areas.length);
            int slot = areas[area].take(count, alignment);
            if (slot >= 0) {
                long at = ((long) area * areaSlots + slot) << SLOT_SHIFT;
                out.memory = region.window(at);
                out.memoryOffset = Mapping.windowOffset(at);
                out.memoryOffsetInRegion = at;
                out.length = length;
                out.dmaAddress = dmaBase + at;
                return true;
            }
        }
        return false;
    }

    private void giveBack(long at, int length) {
        int slot = (int) (at >>> SLOT_SHIFT);
        areas[slot / areaSlots].giveBack(slot % areaSlots, slots(length));
    }

    private static int slots(int length) {
        return (length + SLOT_BYTES - 1) >>> SLOT_SHIFT;
    }
}
