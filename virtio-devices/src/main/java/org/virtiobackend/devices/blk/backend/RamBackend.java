package org.virtiobackend.devices.blk.backend;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.virtio.device.io.IoScratch;

/**
 * A disk in memory, for measuring the path itself. Zeroed at first, gone with the process; no system call moves its
 * bytes, and huge pages keep the processor from looking up an address for every 4 KiB of them.
 */
public final class RamBackend implements BlockBackend {
    /** A longer copy is left to the I/O pool so that other queues of the worker go on. */
    static final int INLINE_BYTES = 1 << 20;

    private static final int PAGE_BYTES = 4096;
    private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(1 << 16).asReadOnlyBuffer();

    private final Mapping mapping;

    private RamBackend(Mapping mapping) {
        this.mapping = mapping;
    }

    /** @param sizeBytes a multiple of 512, more than 0 */
    public static RamBackend create(long sizeBytes) throws ErrnoException, ImageException {
        if (sizeBytes <= 0 || sizeBytes % SECTOR_BYTES != 0) {
            throw new ImageException("ram:" + sizeBytes, "size is not a positive multiple of 512 bytes");
        }
        return new RamBackend(Mapping.anonymous(sizeBytes));
    }

    @Override
    public String description() {
        return "ram:" + mapping.length();
    }

    @Override
    public long sizeBytes() {
        return mapping.length();
    }

    @Override
    public boolean refreshSize() {
        return false;
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public int physicalBlockBytes() {
        return PAGE_BYTES;
    }

    @Override
    public boolean isVolatile() {
        return true;
    }

    @Override
    public int read(Transfer transfer, IoScratch scratch, boolean mayWait) {
        if (mayWait || transfer.remaining() <= INLINE_BYTES) {
            copy(transfer, true);
        }
        return 0;
    }

    @Override
    public int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable) {
        if (mayWait || transfer.remaining() <= INLINE_BYTES) {
            copy(transfer, false);
        }
        return 0;
    }

    @Override
    public int flush() {
        return 0;
    }

    @Override
    public int discard(long offset, long length) {
        return writeZeroes(offset, length, true, null);
    }

    @Override
    public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
        long end = offset + length;
        long firstPage = Math.min(roundUp(offset), end);
        long lastPage = Math.max(end & -PAGE_BYTES, firstPage);
        if (!mayUnmap || firstPage == lastPage) {
            zero(offset, end);
            return 0;
        }
        zero(offset, firstPage);
        zero(lastPage, end);
        return mapping.release(firstPage, lastPage - firstPage);
    }

    private static long roundUp(long offset) {
        return (offset + PAGE_BYTES - 1) & -PAGE_BYTES;
    }

    private void zero(long from, long end) {
        for (long at = from; at < end; ) {
            int part = (int) Math.min(Math.min(end - at, ZEROES.capacity()), leftInWindow(at));
            mapping.window(at).put(Mapping.windowOffset(at), ZEROES, 0, part);
            at += part;
        }
    }

    @Override
    public void close() {
        mapping.close();
    }

    private void copy(Transfer transfer, boolean intoMemory) {
        SegmentList memory = transfer.memory();
        long skip = transfer.memoryPosition();
        long at = transfer.diskPosition();
        long left = transfer.remaining();
        transfer.advance(left);
        for (int i = 0; left > 0; i++) {
            int length = memory.length(i);
            if (skip >= length) {
                skip -= length;
                continue;
            }
            int part = (int) Math.min(length - skip, left);
            copySegment(memory.buffer(i), memory.offset(i) + (int) skip, at, part, intoMemory);
            at += part;
            left -= part;
            skip = 0;
        }
    }

    private void copySegment(ByteBuffer buffer, int start, long diskStart, int length, boolean intoMemory) {
        int done = 0;
        while (done < length) {
            long at = diskStart + done;
            int part = Math.min(length - done, leftInWindow(at));
            ByteBuffer window = mapping.window(at);
            if (intoMemory) {
                buffer.put(start + done, window, Mapping.windowOffset(at), part);
            } else {
                window.put(Mapping.windowOffset(at), buffer, start + done, part);
            }
            done += part;
        }
    }

    private static int leftInWindow(long at) {
        return (int) (Mapping.WINDOW_BYTES - Mapping.windowOffset(at));
    }
}
