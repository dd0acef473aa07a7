package org.virtiobackend.posix;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicBoolean;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A shared mapping of a file, or memory of this process alone, seen through little-endian byte buffers ("windows") of at most 1 GiB.
 *
 * <p>The owner closes it, once, when nobody can touch a window any more: an access after {@link #close} kills the process.
 */
public final class Mapping implements AutoCloseable {
    public static final int PROT_READ = 1;
    public static final int PROT_WRITE = 2;
    /** Bytes of a window; the last one may be shorter. */
    public static final long WINDOW_BYTES = 1L << 30;

    static final long PAGE = 4096;

    private static final Logger LOG = LoggerFactory.getLogger(Mapping.class);
    private static final int WINDOW_SHIFT = 30;
    private static final int MAP_SHARED = 1;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;
    private static final int MADV_DONTDUMP = 16;

    /** What the kernel has mapped, whole blocks of the file. */
    private final long start;

    private final long reserved;
    /** The part that was asked for. */
    private final long address;

    private final long length;
    private final ByteBuffer[] windows;
    private final AtomicBoolean open = new AtomicBoolean(true);

    private Mapping(long address, long length) {
        this(address, length, address, length);
    }

    private Mapping(long start, long reserved, long address, long length) {
        this.start = start;
        this.reserved = reserved;
        this.address = address;
        this.length = length;
        this.windows = new ByteBuffer[(int) ((length + WINDOW_BYTES - 1) >>> WINDOW_SHIFT)];
        Pointer base = new Pointer(address);
        for (int i = 0; i < windows.length; i++) {
            long from = (long) i << WINDOW_SHIFT;
            windows[i] = base.getByteBuffer(from, Math.min(WINDOW_BYTES, length - from))
                    .order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    /**
     * Maps part of a file. The descriptor may be closed afterwards. What is mapped is rounded to the file's blocks, as hugetlbfs
     * insists on it.
     *
     * @param offset bytes into the file, a multiple of 4096
     * @param length bytes, more than 0
     * @param protection {@link #PROT_READ} and {@link #PROT_WRITE}
     */
    public static Mapping map(Fd fd, long offset, long length, int protection) throws ErrnoException {
        long block = MappableFile.granularity(fd);
        long before = offset & (block - 1);
        long reserved = (before + length + block - 1) & -block;
        long start = LibC.mmap(0, reserved, protection, MAP_SHARED, fd.value(), offset - before);
        if (start == -1) {
            throw new ErrnoException("map " + length + " bytes of " + fd, Errno.last());
        }
        LibC.madvise(start, reserved, MADV_DONTDUMP);
        return new Mapping(start, reserved, start + before, length);
    }

    /**
     * Zeroed memory of this process alone, in huge pages where the host has them; a page is taken when it is first touched.
     *
     * @param length bytes, more than 0
     */
    public static Mapping anonymous(long length) throws ErrnoException {
        int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        long address = LibC.mmap(0, length, PROT_READ | PROT_WRITE, flags, -1, 0);
        if (address == -1) {
            throw new ErrnoException("map " + length + " bytes of memory", Errno.last());
        }
        LibC.madvise(address, length, MADV_DONTDUMP);
        LibC.madvise(address, length, MADV_HUGEPAGE); // EINVAL on a kernel without them: small pages do as well
        return new Mapping(address, length);
    }

    /**
     * Gives pages of {@link #anonymous} memory back to the host; they read as zeroes afterwards.
     *
     * @param offset and {@code length} in bytes, multiples of the page size
     * @return 0 or a negative error number
     */
    public int release(long offset, long length) {
        return LibC.madvise(address + offset, length, MADV_DONTNEED) == 0 ? 0 : -Errno.last();
    }

    public long address() {
        return address;
    }

    public long length() {
        return length;
    }

    /** The window that holds byte {@code offset}; the byte stands at {@link #windowOffset} in it. Use absolute accessors. */
    public ByteBuffer window(long offset) {
        return windows[(int) (offset >>> WINDOW_SHIFT)];
    }

    public static int windowOffset(long offset) {
        return (int) (offset & (WINDOW_BYTES - 1));
    }

    /**
     * Whether all of these are still backed by their files: asks the kernel to read a byte of each last page into a scratch file.
     * A file that was cut short has lost that one, and to read it makes no page of any other.
     */
    public static boolean areIntact(Iterable<Mapping> mappings) {
        try (MemFd scratch = MemFd.create("probe", IoVec.MAX)) {
            IoVec iov = new IoVec();
            for (Mapping mapping : mappings) {
                long last = mapping.address + mapping.length - 1;
                if (!iov.add(last, 1)) {
                    if (!isReadable(iov, scratch)) {
                        return false;
                    }
                    iov.clear();
                    iov.add(last, 1);
                }
            }
            return isReadable(iov, scratch);
        } catch (ErrnoException e) {
            return true; // cannot be told now
        }
    }

    private static boolean isReadable(IoVec iov, MemFd scratch) {
        return FileIo.write(scratch.fd(), iov, 0, 0) == iov.count();
    }

    @Override
    public void close() {
        if (open.compareAndSet(true, false) && LibC.munmap(start, reserved) < 0) {
            LOG.error("{} bytes stay mapped: {}", reserved, Errno.text(Errno.last()));
        }
    }
}
