package org.virtiobackend.devices.blk.backend;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.device.io.IoScratch;

/**
 * A raw image: a regular file or a block device, read and written in place by positional vectored I/O.
 *
 * <p>Where the kernel can say that it would have to wait (RWF_NOWAIT), a queue's worker asks it and goes on without;
 * where it cannot, reads wait in the I/O pool. A short buffered write into the page cache is done by the worker.
 */
public final class RawFileBackend implements BlockBackend {
    /** How an image is opened. */
    public record Options(boolean readOnly, boolean direct, boolean lock, int blockBytes) {}

    /** How the message of a locked image ends. */
    public static final String IN_USE = "is in use by another process";

    private static final int RWF_DSYNC = 2;
    private static final int S_IFMT = 0xf000;
    private static final int S_IFREG = 0x8000;
    private static final int S_IFBLK = 0x6000;
    private static final int S_IFDIR = 0x4000;
    private static final int PAGE = 4096;
    private static final int INLINE_READ_BYTES = 1 << 20;
    private static final int INLINE_WRITE_BYTES = 1 << 17;
    private static final int PUNCH = FileIo.FALLOC_FL_PUNCH_HOLE | FileIo.FALLOC_FL_KEEP_SIZE;
    private static final int ZERO = FileIo.FALLOC_FL_ZERO_RANGE | FileIo.FALLOC_FL_KEEP_SIZE;
    private static final Set<String> MEMORY_FILE_SYSTEMS = Set.of("tmpfs", "ramfs", "hugetlbfs");

    private final String path;
    private final Fd fd;
    private final boolean readOnly;
    private final boolean blockDevice;
    private final boolean inMemory;
    private final int physicalBlock;
    private final DirectIo direct;
    /** Bytes that the size is a multiple of. */
    private final long sizeUnit;

    private volatile long size;
    // what this file turned out not to do; a race costs one more try
    private boolean readsNoWait = FileIo.NOWAIT_TELLS_END;
    private boolean writesNoWait = true;

    private RawFileBackend(String path, Fd fd, boolean blockDevice, Options options) throws IOException {
        this.path = path;
        this.fd = fd;
        this.readOnly = options.readOnly();
        this.blockDevice = blockDevice;
        this.inMemory = !blockDevice && isInMemory(path);
        this.physicalBlock = blockDevice ? physicalBlock(fd) : PAGE;
        this.direct = options.direct() ? DirectIo.probe(path, fd) : null;
        this.sizeUnit = Math.max(Math.max(SECTOR_BYTES, options.blockBytes()), direct == null ? 0 : direct.alignment());
        this.size = FileIo.size(fd);
        checkSize(options.blockBytes());
    }

    /**
     * Opens an image.
     *
     * @throws ImageException it cannot be a disk, or another process uses it; the message is for people
     */
    public static RawFileBackend open(String path, Options options) throws IOException {
        Fd fd = openFile(path, options);
        try {
            boolean blockDevice = isBlockDevice(path, fd);
            if (options.lock() && !ImageLock.take(fd, !options.readOnly())) {
                throw new ImageException(path, IN_USE);
            }
            return new RawFileBackend(path, fd, blockDevice, options);
        } catch (IOException | RuntimeException e) {
            fd.close();
            throw e;
        }
    }

    @Override
    public String description() {
        return path;
    }

    @Override
    public long sizeBytes() {
        return size;
    }

    @Override
    public boolean refreshSize() throws IOException {
        long found = FileIo.size(fd) & -sizeUnit;
        boolean changed = found != size;
        size = found;
        return changed;
    }

    @Override
    public boolean isReadOnly() {
        return readOnly;
    }

    @Override
    public int physicalBlockBytes() {
        return physicalBlock;
    }

    @Override
    public boolean isVolatile() {
        return false;
    }

    @Override
    public int read(Transfer transfer, IoScratch scratch, boolean mayWait) {
        if (direct != null) {
            return mayWait ? direct.read(transfer, scratch) : 0;
        }
        if (!mayWait && (!readsNoWait || transfer.remaining() > INLINE_READ_BYTES)) {
            return 0;
        }
        int flags = mayWait || inMemory ? 0 : FileIo.RWF_NOWAIT;
        IoVec iov = scratch.iov();
        while (transfer.remaining() > 0) {
            transfer.fill(iov);
            long done = FileIo.read(fd, iov, transfer.diskPosition(), flags);
            if (done > 0) {
                transfer.advance(done);
            } else if (flags != 0 && wouldWait(done)) {
                readsNoWait = done == -Errno.EAGAIN;
                return 0;
            } else {
                return done == 0 ? -Errno.EIO : (int) done; // 0: the file has shrunk
            }
        }
        return 0;
    }

    @Override
    public int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable) {
        if (!mayWait && !fitsInline(transfer, durable)) {
            return 0;
        }
        int durability = durable ? RWF_DSYNC : 0;
        if (direct != null) {
            return direct.write(transfer, scratch, durability);
        }
        IoVec iov = scratch.iov();
        while (transfer.remaining() > 0) {
            boolean noWait = !mayWait && !inMemory && writesNoWait;
            transfer.fill(iov);
            long done = FileIo.write(fd, iov, transfer.diskPosition(), noWait ? FileIo.RWF_NOWAIT : durability);
            if (done > 0) {
                transfer.advance(done);
            } else if (noWait && done == -Errno.EAGAIN) {
                return 0;
            } else if (noWait && wouldWait(done)) {
                writesNoWait = false;
            } else {
                return done == 0 ? -Errno.ENOSPC : (int) done;
            }
        }
        return 0;
    }

    @Override
    public int flush() {
        return FileIo.dataSync(fd);
    }

    @Override
    public int discard(long offset, long length) {
        int result = blockDevice
                ? FileIo.controlRange(fd, FileIo.BLKDISCARD, offset, length)
                : FileIo.allocate(fd, PUNCH, offset, length);
        return isUnable(result) ? 0 : result; // discarding is a hint: virtio 1.4 5.2.6.2
    }

    @Override
    public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
        int mode = mayUnmap ? PUNCH : ZERO;
        int result = direct == null ? FileIo.allocate(fd, mode, offset, length) : direct.allocate(mode, offset, length);
        return isUnable(result) ? writePlainZeroes(offset, length, scratch) : result;
    }

    @Override
    public void close() {
        fd.close();
    }

    // an unaligned write to a page that is not cached has to read it first
    private boolean fitsInline(Transfer transfer, boolean durable) {
        return direct == null
                && !durable
                && transfer.remaining() <= INLINE_WRITE_BYTES
                && (inMemory || ((transfer.diskPosition() | transfer.remaining()) & (PAGE - 1)) == 0);
    }

    private int writePlainZeroes(long offset, long length, IoScratch scratch) {
        Transfer chunk = new Transfer();
        for (long done = 0; done < length; done += chunk.length()) {
            chunk.set(Zeroes.SEGMENTS, 0, offset + done, Math.min(length - done, Zeroes.MEMORY.size()));
            int result = write(chunk, scratch, true, false);
            if (result < 0) {
                return result;
            }
        }
        return 0;
    }

    private static boolean wouldWait(long result) {
        return result == -Errno.EAGAIN || result == -Errno.EOPNOTSUPP || result == -Errno.EINVAL;
    }

    // EINVAL: a range that is not aligned to what the block device discards
    private static boolean isUnable(int result) {
        return result == -Errno.EOPNOTSUPP
                || result == -Errno.EINVAL
                || result == -Errno.ENOSYS
                || result == -Errno.ENODEV;
    }

    private void checkSize(int blockBytes) throws ImageException {
        if (size == 0) {
            throw new ImageException(path, "is empty");
        }
        if (size % SECTOR_BYTES != 0) {
            throw new ImageException(path, "size " + size + " is not a multiple of 512 bytes");
        }
        if (size % blockBytes != 0) {
            throw new ImageException(path, "size " + size + " is not a multiple of the block size " + blockBytes);
        }
        if (direct != null && size % direct.alignment() != 0) {
            throw new ImageException(
                    path, "size " + size + " is not a multiple of " + direct.alignment() + " as direct I/O needs it");
        }
    }

    private static Fd openFile(String path, Options options) throws ImageException {
        int flags = (options.readOnly() ? FileIo.O_RDONLY : FileIo.O_RDWR)
                | FileIo.O_NONBLOCK
                | (options.direct() ? FileIo.O_DIRECT : 0);
        try {
            return FileIo.open(path, flags, 0);
        } catch (ErrnoException e) {
            boolean direct = options.direct() && e.errno() == Errno.EINVAL;
            throw new ImageException(path, reason(e.errno(), direct));
        }
    }

    private static String reason(int errno, boolean direct) {
        if (direct) {
            return "its file system has no direct I/O";
        }
        return errno == Errno.EISDIR ? "is a directory" : Errno.text(errno);
    }

    // asked of the open file, so that nobody can change the path in between
    private static boolean isBlockDevice(String path, Fd fd) throws IOException {
        int mode = (Integer) Files.getAttribute(Path.of("/proc/self/fd/" + fd.value()), "unix:mode");
        return switch (mode & S_IFMT) {
            case S_IFREG -> false;
            case S_IFBLK -> true;
            case S_IFDIR -> throw new ImageException(path, "is a directory");
            default -> throw new ImageException(path, "is neither a regular file nor a block device");
        };
    }

    private static boolean isInMemory(String path) {
        try {
            return MEMORY_FILE_SYSTEMS.contains(
                    Files.getFileStore(Path.of(path)).type());
        } catch (IOException e) {
            return false; // only costs speed
        }
    }

    private static int physicalBlock(Fd fd) {
        NativeBuffer answer = NativeBuffer.allocate(8);
        int result = FileIo.control(fd, FileIo.BLKPBSZGET, answer);
        int bytes = answer.buffer().getInt(0);
        return result < 0 || bytes < SECTOR_BYTES || Integer.bitCount(bytes) != 1 ? SECTOR_BYTES : bytes;
    }

    /** Memory to write zeroes from; nobody writes to it. */
    private static final class Zeroes {
        static final NativeBuffer MEMORY = NativeBuffer.allocatePageAligned(1 << 20);
        static final SegmentList SEGMENTS = new SegmentList();

        static {
            SEGMENTS.add(MEMORY.buffer(), 0, MEMORY.size(), MEMORY.address());
        }
    }
}
