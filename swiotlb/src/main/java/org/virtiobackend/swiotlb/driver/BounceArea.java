package org.virtiobackend.swiotlb.driver;

import java.util.BitSet;

/**
 * A part of the pool with a lock of its own: runs of slots, lowest first, so that a driver with few requests out stays in few
 * slots, which both sides then have in their caches. Thread-safe.
 */
final class BounceArea {
    private final int slots;
    private final BitSet taken;
    /** No slot below it is free. */
    private int lowest;

    private int used;
    private int highWater;

    BounceArea(int slots) {
        this.slots = slots;
        this.taken = new BitSet(slots);
    }

    /** @return first slot of a run of {@code count}, a multiple of {@code alignment} slots, or -1 */
    synchronized int take(int count, int alignment) {
        lowest = taken.nextClearBit(lowest);
        int found = search(lowest, count, alignment);
        if (found >= 0) {
            taken.set(found, found + count);
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
        lowest = Math.min(lowest, first);
        used -= count;
    }

    synchronized int used() {
        return used;
    }

    synchronized int highWater() {
        return highWater;
    }

    private int search(int from, int count, int alignment) {
        int at = alignUp(from, alignment);
        while (at + count <= slots) {
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
