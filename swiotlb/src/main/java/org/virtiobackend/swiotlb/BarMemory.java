package org.virtiobackend.swiotlb;

import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;

/**
 * Device-local memory: a memfd that the device maps and hands to the client as a BAR. Nothing else is in the file, because a
 * client that can map a part of it can map all of it.
 *
 * <p>The transport owns it and closes it after every queue has stopped.
 */
public final class BarMemory implements AutoCloseable {
    /** Smallest region: one page would not even hold a ring with its buffers. */
    public static final long MIN_BYTES = 64 << 10;

    private final MemFd memFd;
    private final Mapping mapping;
    private volatile long highWater;

    private BarMemory(MemFd memFd, Mapping mapping) {
        this.memFd = memFd;
        this.mapping = mapping;
    }

    /**
     * @param size bytes, a power of two of at least {@link #MIN_BYTES}
     * @throws IllegalArgumentException for another size
     */
    public static BarMemory create(long size) throws ErrnoException {
        if (Long.bitCount(size) != 1 || size < MIN_BYTES) {
            throw new IllegalArgumentException(
                    "region size " + size + " is not a power of two of at least " + MIN_BYTES);
        }
        MemFd memFd = MemFd.create("virtio-region", size);
        try {
            return new BarMemory(memFd, Mapping.map(memFd.fd(), 0, size, Mapping.PROT_READ | Mapping.PROT_WRITE));
        } catch (ErrnoException e) {
            memFd.close();
            throw e;
        }
    }

    public long size() {
        return memFd.size();
    }

    /** What a client maps; stays this object's. */
    public Fd fd() {
        return memFd.fd();
    }

    /** One past the highest byte that any queue has used so far; grows only. Any thread, slightly old values are fine. */
    public long highWaterBytes() {
        return highWater;
    }

    /** Whether {@code [offset, offset + length)} lies inside, for any unsigned values. */
    public boolean contains(long offset, long length) {
        return Long.compareUnsigned(offset, size()) < 0 && length >= 0 && length <= size() - offset;
    }

    /** Appends a part of the memory, which the caller has checked with {@link #contains}. */
    void append(long offset, long length, SegmentList out) {
        long at = offset;
        long left = length;
        while (left > 0) {
            int start = Mapping.windowOffset(at);
            int part = (int) Math.min(left, Mapping.WINDOW_BYTES - start);
            out.add(mapping.window(at), start, part, mapping.address() + at);
            at += part;
            left -= part;
        }
        noteUse(offset + length);
    }

    /** Points a ring area at a part of the memory, checked before. */
    void attach(long offset, int length, RingAccess area) throws DmaFaultException {
        int start = Mapping.windowOffset(offset);
        if (length > Mapping.WINDOW_BYTES - start) {
            throw new DmaFaultException("ring area crosses a window of 1 GiB", offset, length);
        }
        area.attachMapped(mapping.window(offset), start, length);
        noteUse(offset + length);
    }

    /** Registers accesses by message, when the client does not map the BAR. */
    public Mapping mapping() {
        return mapping;
    }

    @Override
    public void close() {
        mapping.close();
        memFd.close();
    }

    private void noteUse(long end) {
        if (end > highWater) {
            highWater = end;
        }
    }
}
