package org.virtiobackend.devices.fs.passthrough;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;

/** Numbers for things; looking one up takes no lock. */
final class SlotTable<T extends Slot> {
    private static final int INITIAL = 256;

    private final int limit;
    private volatile AtomicReferenceArray<T> slots = new AtomicReferenceArray<>(INITIAL);
    private int[] generations = new int[INITIAL];
    private int[] free = new int[INITIAL];
    private int freeCount;
    private int next = 1;
    private int count;

    /** @param limit most things at a time */
    SlotTable(int limit) {
        this.limit = limit;
    }

    /** The thing, pinned, or null when the number names none. */
    T pin(long id) {
        AtomicReferenceArray<T> now = slots;
        int index = (int) id;
        if (index <= 0 || index >= now.length()) {
            return null;
        }
        T slot = now.get(index);
        return slot != null && slot.id() == id && slot.pin() ? slot : null;
    }

    /** Gives it a number and takes its first reference over; false when the table is full. */
    synchronized boolean add(T slot) {
        if (count >= limit) {
            return false;
        }
        int index = freeCount > 0 ? free[--freeCount] : next++;
        if (index >= slots.length()) {
            grow();
        }
        // never negative: that would be an error number
        slot.setId((long) (generations[index] & Integer.MAX_VALUE) << 32 | index);
        slots.set(index, slot);
        count++;
        return true;
    }

    /** Takes the thing out and the table's reference off it; false when the number names none. */
    boolean remove(long id) {
        T slot;
        synchronized (this) {
            int index = (int) id;
            if (index <= 0 || index >= slots.length()) {
                return false;
            }
            slot = slots.get(index);
            if (slot == null || slot.id() != id) {
                return false;
            }
            take(index);
        }
        slot.unpin();
        return true;
    }

    /** Takes everything out. */
    void clear() {
        List<T> all = new ArrayList<>();
        synchronized (this) {
            for (int i = 1; i < next; i++) {
                T slot = slots.get(i);
                if (slot != null) {
                    all.add(slot);
                    take(i);
                }
            }
        }
        all.forEach(Slot::unpin);
    }

    /** Puts one back under the number it had, its first slot; the table's reference is the caller's to have taken. */
    synchronized void restore(T slot, long id) {
        int index = (int) id;
        for (int i = 0; i < freeCount; i++) {
            if (free[i] == index) {
                free[i] = free[--freeCount];
                break;
            }
        }
        slot.setId(id);
        slots.set(index, slot);
        count++;
    }

    /** What has an index, or null; 0 to {@link #end}. */
    synchronized T at(int index) {
        return index < slots.length() ? slots.get(index) : null;
    }

    synchronized int end() {
        return next;
    }

    synchronized int count() {
        return count;
    }

    private void take(int index) {
        slots.set(index, null);
        generations[index]++;
        if (freeCount == free.length) {
            free = Arrays.copyOf(free, freeCount * 2);
        }
        free[freeCount++] = index;
        count--;
    }

    private void grow() {
        AtomicReferenceArray<T> old = slots;
        AtomicReferenceArray<T> larger = new AtomicReferenceArray<>(old.length() * 2);
        for (int i = 0; i < old.length(); i++) {
            larger.set(i, old.get(i));
        }
        generations = Arrays.copyOf(generations, larger.length());
        slots = larger;
    }
}
