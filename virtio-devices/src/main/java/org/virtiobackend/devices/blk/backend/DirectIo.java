package org.virtiobackend.devices.blk.backend;

import java.lang.ref.Reference;
import java.util.concurrent.locks.StampedLock;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.device.io.IoScratch;

/**
 * Reads and writes a file that is open with O_DIRECT: what is aligned goes straight, the rest through the thread's
 * bounce memory. Parts of a block are written by reading, changing and writing the block, while nobody else writes.
 */
final class DirectIo {
    private static final int SMALLEST = 512;
    private static final int LARGEST = 4096;

    private final Fd fd;
    private final int alignment;
    private final StampedLock blocks = new StampedLock();

    DirectIo(Fd fd, int alignment) {
        this.fd = fd;
        this.alignment = alignment;
    }

    /** Finds out what alignment of memory, offset and length the file wants. */
    static DirectIo probe(String path, Fd fd) throws ImageException {
        NativeBuffer memory = NativeBuffer.allocatePageAligned(2L * LARGEST);
        for (int alignment = SMALLEST; alignment <= LARGEST; alignment *= 2) {
            IoVec iov = new IoVec();
            iov.add(memory.address() + alignment, alignment);
            long done = FileIo.read(fd, iov, 0, 0);
            Reference.reachabilityFence(memory);
            if (done >= 0) {
                return new DirectIo(fd, alignment);
            }
            if (done != -Errno.EINVAL) {
                throw new ImageException(path, Errno.text((int) -done));
            }
        }
        throw new ImageException(path, "cannot be read with direct I/O");
    }

    /** Bytes, a power of two. */
    int alignment() {
        return alignment;
    }

    int read(Transfer transfer, IoScratch scratch) {
        while (transfer.remaining() > 0) {
            IoVec iov = scratch.iov();
            transfer.fill(iov);
            long done;
            if (isAligned(transfer.diskPosition(), iov)) {
                done = FileIo.read(fd, iov, transfer.diskPosition(), 0);
                transfer.advance(Math.max(done, 0));
            } else {
                done = readThroughBounce(transfer, scratch);
            }
            if (done <= 0) {
                return done == 0 ? -Errno.EIO : (int) done;
            }
        }
        return 0;
    }

    int write(Transfer transfer, IoScratch scratch, int flags) {
        while (transfer.remaining() > 0) {
            IoVec iov = scratch.iov();
            transfer.fill(iov);
            long done;
            if (isAligned(transfer.diskPosition(), iov)) {
                done = writeAligned(iov, transfer.diskPosition(), flags);
                transfer.advance(Math.max(done, 0));
            } else {
                done = writeThroughBounce(transfer, scratch, flags);
            }
            if (done <= 0) {
                return done == 0 ? -Errno.ENOSPC : (int) done;
            }
        }
        return 0;
    }

    /** {@link FileIo#allocate}, not between the reading and the writing of a block that it touches. */
    int allocate(int mode, long offset, long length) {
        long stamp = blocks.readLock();
        try {
            return FileIo.allocate(fd, mode, offset, length);
        } finally {
            blocks.unlockRead(stamp);
        }
    }

    private long writeAligned(IoVec iov, long offset, int flags) {
        if (alignment == SMALLEST) {
            return FileIo.write(fd, iov, offset, flags);
        }
        long stamp = blocks.readLock();
        try {
            return FileIo.write(fd, iov, offset, flags);
        } finally {
            blocks.unlockRead(stamp);
        }
    }

    private long readThroughBounce(Transfer transfer, IoScratch scratch) {
        long start = transfer.diskPosition() & -alignment;
        int before = (int) (transfer.diskPosition() - start);
        int bytes = bounceBytes(before + transfer.remaining());
        long done = FileIo.read(fd, bounce(scratch, bytes), start, 0);
        if (done <= before) {
            return Math.min(done, 0);
        }
        int useful = (int) Math.min(done - before, transfer.remaining());
        transfer.copyFrom(scratch.bounce().buffer(), before, useful);
        return useful;
    }

    private long writeThroughBounce(Transfer transfer, IoScratch scratch, int flags) {
        long start = transfer.diskPosition() & -alignment;
        int before = (int) (transfer.diskPosition() - start);
        int bytes = bounceBytes(before + transfer.remaining());
        int useful = (int) Math.min(bytes - before, transfer.remaining());
        if (before == 0 && useful == bytes) {
            transfer.copyTo(scratch.bounce().buffer(), 0, useful);
            return wholeOrError(writeAligned(bounce(scratch, bytes), start, flags), useful);
        }
        long stamp = blocks.writeLock();
        try {
            long got = FileIo.read(fd, bounce(scratch, bytes), start, 0);
            if (got < bytes) {
                return got < 0 ? got : -Errno.EIO;
            }
            transfer.copyTo(scratch.bounce().buffer(), before, useful);
            return wholeOrError(FileIo.write(fd, bounce(scratch, bytes), start, flags), before + useful);
        } finally {
            blocks.unlockWrite(stamp);
        }
    }

    // a short write through the bounce memory is an error: it only happens when the storage is full or gone
    private static long wholeOrError(long written, int needed) {
        if (written >= needed) {
            return needed;
        }
        return written < 0 ? written : -Errno.EIO;
    }

    private static IoVec bounce(IoScratch scratch, int bytes) {
        IoVec iov = scratch.iov();
        iov.clear();
        iov.add(scratch.bounce().address(), bytes);
        return iov;
    }

    private int bounceBytes(long bytes) {
        return (int) Math.min((bytes + alignment - 1) & -alignment, IoScratch.BOUNCE_BYTES);
    }

    private boolean isAligned(long offset, IoVec iov) {
        long bits = offset;
        for (int i = 0; i < iov.count(); i++) {
            bits |= iov.entryAddress(i) | iov.entryLength(i);
        }
        return (bits & (alignment - 1)) == 0;
    }
}
