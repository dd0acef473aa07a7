package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/** Positional vectored file I/O and what a disk image needs to know of its file. All methods may be called from any thread. */
public final class FileIo {
    public static final int O_RDONLY = 0;
    public static final int O_WRONLY = 1;
    public static final int O_RDWR = 2;
    public static final int O_CREAT = 0x40;
    public static final int O_EXCL = 0x80;
    public static final int O_TRUNC = 0x200;
    public static final int O_NONBLOCK = 0x800;
    public static final int O_DSYNC = 0x1000;
    public static final int O_DIRECT = Architecture.O_DIRECT;
    public static final int O_DIRECTORY = Architecture.O_DIRECTORY;
    public static final int O_CLOEXEC = 0x80000;

    /** pwritev2: what was written, and what finds it again, is durable. */
    public static final int RWF_DSYNC = 2;

    /** pwritev2: the file's times and the like as well. */
    public static final int RWF_SYNC = 4;

    /** preadv2: answer EAGAIN instead of waiting for the disk. */
    public static final int RWF_NOWAIT = 8;

    /** Whether 0 bytes read with {@link #RWF_NOWAIT} mean the end of the file. */
    public static final boolean NOWAIT_TELLS_END = nowaitTellsEnd(System.getProperty("os.version", ""));

    /** pwritev2: at the end of the file, wherever that is. */
    public static final int RWF_APPEND = 0x10;

    public static final int FALLOC_FL_KEEP_SIZE = 1;
    public static final int FALLOC_FL_PUNCH_HOLE = 2;
    public static final int FALLOC_FL_ZERO_RANGE = 16;

    /** A block device: size in bytes as u64. */
    public static final long BLKGETSIZE64 = 0x80081272L;
    /** A block device: logical sector size as int. */
    public static final long BLKSSZGET = 0x1268L;
    /** A block device: physical sector size as unsigned int. */
    public static final long BLKPBSZGET = 0x127bL;
    /** A block device: discard {u64 start, u64 length}. */
    public static final long BLKDISCARD = 0x1277L;
    /** A block device: zero {u64 start, u64 length}. */
    public static final long BLKZEROOUT = 0x127fL;

    private static final int SEEK_END = 2;

    private FileIo() {}

    /** Not with Linux 5.9 and 5.10: preadv2(2), BUGS. */
    static boolean nowaitTellsEnd(String kernelRelease) {
        return !kernelRelease.matches("5\\.(9|10)(\\D.*)?");
    }

    /**
     * @param flags O_ constants; O_CLOEXEC is added
     * @param mode permissions of a new file
     * @throws ErrnoException "open PATH: reason"
     */
    public static Fd open(String path, int flags, int mode) throws ErrnoException {
        return Fd.adopt((int) ErrnoException.check(LibC.open(path, flags | O_CLOEXEC, mode), "open " + path));
    }

    /**
     * Reads at {@code offset}, bytes; does not advance {@code iov}.
     *
     * @param flags RWF_ constants or 0
     * @return bytes read (0 at the end of the file), or a negative error number
     */
    public static long read(Fd fd, IoVec iov, long offset, int flags) {
        long done;
        do {
            done = LibC.preadv2(fd.value(), iov.address(), iov.count(), offset, flags);
        } while (done < 0 && Errno.last() == Errno.EINTR);
        return done < 0 ? -Errno.last() : done;
    }

    /** Writes at {@code offset}; like {@link #read}. */
    public static long write(Fd fd, IoVec iov, long offset, int flags) {
        long done;
        do {
            done = LibC.pwritev2(fd.value(), iov.address(), iov.count(), offset, flags);
        } while (done < 0 && Errno.last() == Errno.EINTR);
        return done < 0 ? -Errno.last() : done;
    }

    /** Reads from a stream descriptor; returns bytes, 0 at its end, or a negative error number. */
    public static long read(Fd fd, long address, long length) {
        long done = LibC.read(fd.value(), address, length);
        return done < 0 ? -Errno.last() : done;
    }

    /** Writes to a stream descriptor; returns bytes or a negative error number. */
    public static long write(Fd fd, long address, long length) {
        long done = LibC.write(fd.value(), address, length);
        return done < 0 ? -Errno.last() : done;
    }

    /** Scattered read from a stream descriptor; returns bytes or a negative error number. */
    public static long readv(Fd fd, IoVec iov) {
        long done = LibC.readv(fd.value(), iov.address(), iov.count());
        return done < 0 ? -Errno.last() : done;
    }

    /** Gathered write to a stream descriptor; returns bytes or a negative error number. */
    public static long writev(Fd fd, IoVec iov) {
        long done = LibC.writev(fd.value(), iov.address(), iov.count());
        return done < 0 ? -Errno.last() : done;
    }

    /** Makes data durable; returns 0 or a negative error number. */
    public static int dataSync(Fd fd) {
        return LibC.fdatasync(fd.value()) < 0 ? -Errno.last() : 0;
    }

    /** fallocate(2); returns 0 or a negative error number. */
    public static int allocate(Fd fd, int mode, long offset, long length) {
        return LibC.fallocate(fd.value(), mode, offset, length) < 0 ? -Errno.last() : 0;
    }

    public static void truncate(Fd fd, long length) throws ErrnoException {
        ErrnoException.check(LibC.ftruncate(fd.value(), length), "resize to " + length + " bytes");
    }

    /** Size in bytes of a regular file or a block device. */
    public static long size(Fd fd) throws ErrnoException {
        return ErrnoException.check(LibC.lseek(fd.value(), 0, SEEK_END), "find the size of " + fd);
    }

    /** ioctl with a pointer to {@code argument}; returns the call's result or a negative error number. */
    public static int control(Fd fd, long request, NativeBuffer argument) {
        int result = LibC.ioctl(fd.value(), request, argument.address());
        int outcome = result < 0 ? -Errno.last() : result;
        Reference.reachabilityFence(argument);
        return outcome;
    }

    /** ioctl with two u64 in {@code argument} (BLKDISCARD, BLKZEROOUT); returns 0 or a negative error number. */
    public static int controlRange(Fd fd, long request, long start, long length) {
        NativeBuffer range = NativeBuffer.allocate(16);
        ByteBuffer fields = range.buffer();
        fields.putLong(0, start);
        fields.putLong(8, length);
        return control(fd, request, range);
    }

    /** Sets the permission bits of a path. */
    public static void chmod(String path, int mode) throws ErrnoException {
        ErrnoException.check(LibC.chmod(path, mode), "chmod " + path);
    }
}
