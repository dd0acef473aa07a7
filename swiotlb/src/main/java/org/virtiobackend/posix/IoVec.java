package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/** A reusable array of {@code struct iovec}. One thread at a time. */
public final class IoVec {
    /** The kernel's limit of entries a call (UIO_MAXIOV). */
    public static final int MAX = 1024;

    private static final int ENTRY = 16;

    private final NativeBuffer array;
    private final ByteBuffer entries;
    private final int capacity;
    private int first;
    private int count;
    private long bytes;

    public IoVec() {
        this(MAX);
    }

    /** @param capacity entries, 1 to {@link #MAX} */
    IoVec(int capacity) {
        this.capacity = capacity;
        array = NativeBuffer.allocate((long) capacity * ENTRY);
        entries = array.buffer();
    }

    public void clear() {
        first = 0;
        count = 0;
        bytes = 0;
    }

    /** @return false when the array is full and nothing was added */
    public boolean add(long address, long length) {
        if (first + count == capacity) {
            return false;
        }
        int at = (first + count) * ENTRY;
        entries.putLong(at, address);
        entries.putLong(at + 8, length);
        count++;
        bytes += length;
        return true;
    }

    /** Drops the first {@code done} bytes after a short read or write. */
    public void advance(long done) {
        bytes -= done;
        long left = done;
        while (left > 0) {
            int at = first * ENTRY;
            long length = entries.getLong(at + 8);
            if (left < length) {
                entries.putLong(at, entries.getLong(at) + left);
                entries.putLong(at + 8, length - left);
                return;
            }
            left -= length;
            first++;
            count--;
        }
    }

    public int count() {
        return count;
    }

    /** Bytes not yet transferred. */
    public long bytes() {
        return bytes;
    }

    /** Address of the n-th remaining entry's memory. */
    public long entryAddress(int n) {
        return entries.getLong((first + n) * ENTRY);
    }

    public long entryLength(int n) {
        return entries.getLong((first + n) * ENTRY + 8);
    }

    /** Frees the memory now, see {@link NativeBuffer#close}. */
    public void close() {
        array.close();
    }

    long address() {
        return array.address() + (long) first * ENTRY;
    }
}
