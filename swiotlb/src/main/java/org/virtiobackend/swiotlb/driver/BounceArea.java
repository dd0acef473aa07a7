package org.virtiobackend.swiotlb.driver;

import java.util.BitSet;

/**
 * A part of the pool with a lock of its own: runs of slots, next fit. Thread-safe.
 *
 * <p>A slot comes back as late as possible: reusing the last ones gains little where both sides share a cache, and costs several
 * times the copy where they do not, because the device then writes to lines that the driver's cache still holds.
 */
final class BounceArea {
    private final int slots;
    private final BitSet taken;
    private int cursor;
    private int used;
    private int highWater;

    BounceArea(int slots) {
        this.slots = slots;
        this.taken = new BitSet(slots);
    }

    /** @return first slot of a run of {@code count}, a multiple of {@code alignment} slots, or -1 */
    synchronized int take(int count, int alignment) {
        int found = search(cursor, slots, count, alignment);
        if (found < 0) {
            found = search(0, Math.min(slots, cursor + count), count, alignment);
        }
        if (found >= 0) {
            taken.set(found, found + count);
            cursor = found + count == slots ? 0 : found + count;
            used += count;
            highWater = Math.max(highWater, used);
        }
        return found;
    }

    synchronized void giveBack(int first, int count) {
        if (taken.nextClearBit(first) < first + count) {
            throw new IllegalStateException("slot " + first + " was given back twice");
        }
        taken.clear(first, first + count);
        used -= count;
    }

    synchronized int used() {
        return used;
    }

    synchronized int highWater() {
        return highWater;
    }

    private int search(int from, int to, int count, int alignment) {
        int at = alignUp(taken.nextClearBit(from), alignment);
        while (at + count <= to) {
            int next = taken.nextSetBit(at);
            if (next < 0 || next >= at + count) {
                return at;
            }
            at = alignUp(taken.nextClearBit(next), alignment);
        }
        return -1;
    }

    private static int alignUp(int slot, int alignment) {
        return (slot + alignment - 1) & -alignment;
    }
}
