package org.virtiobackend.devices.blk.backend;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.virtio.device.io.IoScratch;

/**
 * A disk in memory, for measuring the path itself. Zeroed at first, gone with the process; no system call moves its
 * bytes.
 */
public final class RamBackend implements BlockBackend {
    /** A longer copy is left to the I/O pool so that other queues of the worker go on. */
    static final int INLINE_BYTES = 1 << 20;

    private static final int PHYSICAL_BLOCK = 4096;
    private static final int PUNCH = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
    private static final ByteBuffer ZEROES = ByteBuffer.allocateDirect(1 << 16).asReadOnlyBuffer();

    private final MemFd file;
    private final Mapping mapping;
    private final long size;

    private RamBackend(MemFd file, Mapping mapping) {
        this.file = file;
        this.mapping = mapping;
        this.size = file.size();
    }

    /** @param sizeBytes a multiple of 512, more than 0 */
    public static RamBackend create(long sizeBytes) throws ErrnoException, ImageException {
        if (sizeBytes <= 0 || sizeBytes % SECTOR_BYTES != 0) {
            throw new ImageException("ram:" + sizeBytes, "size is not a positive multiple of 512 bytes");
        }
        MemFd file = MemFd.create("virtio-blk-ram", sizeBytes);
        try {
            Mapping mapping = Mapping.map(file.fd(), 0, sizeBytes, Mapping.PROT_READ | Mapping.PROT_WRITE);
            return new RamBackend(file, mapping);
        } catch (ErrnoException e) {
            file.close();
            throw e;
        }
    }

    @Override
    public String description() {
        return "ram:" + size;
    }

    @Override
    public long sizeBytes() {
        return size;
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
        return PHYSICAL_BLOCK;
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
        return FileIo.allocate(file.fd(), PUNCH, offset, length);
    }

    @Override
    public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
        if (mayUnmap) {
            return FileIo.allocate(file.fd(), PUNCH, offset, length);
        }
        long at = offset;
        long left = length;
        while (left > 0) {
            int part = (int) Math.min(Math.min(left, ZEROES.capacity()), leftInWindow(at));
            mapping.window(at).put(Mapping.windowOffset(at), ZEROES, 0, part);
            at += part;
            left -= part;
        }
        return 0;
    }

    @Override
    public void close() {
        mapping.close();
        file.close();
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
