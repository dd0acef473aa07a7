package org.virtiobackend.posix;

import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicBoolean;

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

    private static final int WINDOW_SHIFT = 30;
    private static final long PAGE = 4096;
    private static final int MAP_SHARED = 1;
    private static final int MAP_PRIVATE = 2;
    private static final int MAP_ANONYMOUS = 0x20;
    private static final int MAP_NORESERVE = 0x4000;
    private static final int MADV_DONTNEED = 4;
    private static final int MADV_HUGEPAGE = 14;
    private static final int MADV_DONTDUMP = 16;

    private final long address;
    private final long length;
    private final ByteBuffer[] windows;
    private final AtomicBoolean open = new AtomicBoolean(true);

    private Mapping(long address, long length) {
        this.address = address;
        this.length = length;
        this.windows = new ByteBuffer[(int) ((length + WINDOW_BYTES - 1) >>> WINDOW_SHIFT)];
        Pointer base = new Pointer(address);
        for (int i = 0; i < windows.length; i++) {
            long start = (long) i << WINDOW_SHIFT;
            windows[i] = base.getByteBuffer(start, Math.min(WINDOW_BYTES, length - start))
                    .order(ByteOrder.LITTLE_ENDIAN);
        }
    }

    /**
     * Maps part of a file. The descriptor may be closed afterwards.
     *
     * @param offset bytes into the file, a multiple of the page size
     * @param length bytes, more than 0
     * @param protection {@link #PROT_READ} and {@link #PROT_WRITE}
     */
    public static Mapping map(Fd fd, long offset, long length, int protection) throws ErrnoException {
        long address = LibC.mmap(0, length, protection, MAP_SHARED, fd.value(), offset);
        if (address == -1) {
            throw new ErrnoException("map " + length + " bytes of " + fd, Errno.last());
        }
        LibC.madvise(address, length, MADV_DONTDUMP);
        return new Mapping(address, length);
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

    /** Whether every page is still backed by the file: asks the kernel to read a byte of each, into a scratch file. */
    public boolean isIntact() {
        try (MemFd scratch = MemFd.create("probe", IoVec.MAX)) {
            IoVec iov = new IoVec();
            for (long page = 0; page < length; ) {
                iov.clear();
                while (page < length && iov.add(address + page, 1)) {
                    page += PAGE;
                }
                if (FileIo.write(scratch.fd(), iov, 0, 0) != iov.count()) {
                    return false;
                }
            }
            return true;
        } catch (ErrnoException e) {
            return true; // cannot be told now
        }
    }

    @Override
    public void close() {
        if (open.compareAndSet(true, false)) {
            LibC.munmap(address, length);
        }
    }
}
