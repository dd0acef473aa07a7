package org.virtiobackend.devices.blk.backend;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.IoVec;

/**
 * One run of bytes between a disk and a list of memory segments, and how much of it is done: it can be stopped and
 * resumed anywhere. Pooled by its owner; one thread at a time.
 */
public final class Transfer {
    private SegmentList memory;
    private long memoryStart;
    private long diskStart;
    private long length;
    private long done;

    /**
     * @param memory segments that hold at least {@code memoryStart + length} bytes
     * @param memoryStart first byte in {@code memory}
     * @param diskStart first byte on the disk
     * @param length bytes
     */
    public void set(SegmentList memory, long memoryStart, long diskStart, long length) {
        this.memory = memory;
        this.memoryStart = memoryStart;
        this.diskStart = diskStart;
        this.length = length;
        this.done = 0;
    }

    public SegmentList memory() {
        return memory;
    }

    public long length() {
        return length;
    }

    /** Bytes moved so far. */
    public long done() {
        return done;
    }

    /** Bytes not moved yet. */
    public long remaining() {
        return length - done;
    }

    /** Where the next byte stands in {@link #memory}. */
    public long memoryPosition() {
        return memoryStart + done;
    }

    /** Where the next byte stands on the disk. */
    public long diskPosition() {
        return diskStart + done;
    }

    /** Says that {@code bytes} more are done. */
    public void advance(long bytes) {
        done += bytes;
    }

    /** Fills {@code iov} with the memory not done yet, as much of it as fits. */
    public void fill(IoVec iov) {
        iov.clear();
        memory.addTo(iov, memoryPosition(), remaining());
    }

    /** Moves the next {@code bytes} bytes from {@code source}, from {@code offset} on, into memory. */
    public void copyFrom(ByteBuffer source, int offset, int bytes) {
        copy(source, offset, bytes, true);
    }

    /** Moves the next {@code bytes} bytes of memory to {@code target}, from {@code offset} on. */
    public void copyTo(ByteBuffer target, int offset, int bytes) {
        copy(target, offset, bytes, false);
    }

    private void copy(ByteBuffer other, int offset, int bytes, boolean intoMemory) {
        long skip = memoryPosition();
        int left = bytes;
        int at = offset;
        for (int i = 0; left > 0; i++) {
            int size = memory.length(i);
            if (skip >= size) {
                skip -= size;
                continue;
            }
            int start = memory.offset(i) + (int) skip;
            int part = (int) Math.min(size - skip, left);
            if (intoMemory) {
                memory.buffer(i).put(start, other, at, part);
            } else {
                other.put(at, memory.buffer(i), start, part);
            }
            at += part;
            left -= part;
            skip = 0;
        }
        done += bytes;
    }
}
