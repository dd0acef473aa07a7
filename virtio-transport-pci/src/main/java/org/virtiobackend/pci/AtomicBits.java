package org.virtiobackend.pci;

import java.util.concurrent.atomic.AtomicLongArray;

/** A fixed number of bits that any thread may read and change, without locks or allocation. */
final class AtomicBits {
    private final AtomicLongArray words;

    AtomicBits(int count) {
        words = new AtomicLongArray(count + 63 >>> 6);
    }

    boolean get(int bit) {
        return (words.get(bit >>> 6) & 1L << (bit & 63)) != 0;
    }

    void set(int bit) {
        long mask = 1L << (bit & 63);
        long old;
        do {
            old = words.get(bit >>> 6);
        } while ((old & mask) == 0 && !words.compareAndSet(bit >>> 6, old, old | mask));
    }

    /** Clears a bit; true for the one caller that found it set. */
    boolean clear(int bit) {
        long mask = 1L << (bit & 63);
        long old;
        do {
            old = words.get(bit >>> 6);
            if ((old & mask) == 0) {
                return false;
            }
        } while (!words.compareAndSet(bit >>> 6, old, old & ~mask));
        return true;
    }

    void clearAll() {
        for (int i = 0; i < words.length(); i++) {
            words.set(i, 0);
        }
    }

    /** Bytes when shown as an array of 64-bit little-endian words. */
    int byteCount() {
        return 8 * words.length();
    }

    /** One byte of that array, 0 to 255. */
    int byteAt(int index) {
        return (int) (words.get(index >>> 3) >>> (8 * (index & 7))) & 0xff;
    }
}
