package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/** Length, holes, copies and durability of open files. All answer a negative error number on failure. */
public final class FileSpace {
    /** Bytes of a {@code struct statfs} on 64-bit Linux. */
    public static final int STATFS_BYTES = 120;

    private static final int RLIMIT_NOFILE = 7;

    private FileSpace() {}

    public static int truncate(int fd, long length) {
        return FileCalls.result(FileCalls.ftruncate(fd, length));
    }

    public static int allocate(int fd, int mode, long offset, long length) {
        return FileCalls.result(FileCalls.fallocate(fd, mode, offset, length));
    }

    /** @param whence as in lseek(2); SEEK_DATA 3 and SEEK_HOLE 4 too */
    public static long seek(int fd, long offset, int whence) {
        return FileCalls.result(FileCalls.lseek(fd, offset, whence));
    }

    /** @param offsets two i64: where to read and where to write; both are advanced */
    public static long copy(int in, int out, NativeBuffer offsets, long length) {
        long at = offsets.address();
        return FileCalls.result(FileCalls.copy_file_range(in, at, out, at + 8, length, 0));
    }

    public static int sync(int fd) {
        return FileCalls.result(FileCalls.fsync(fd));
    }

    public static int syncData(int fd) {
        return FileCalls.result(FileCalls.fdatasync(fd));
    }

    /** The whole file system that {@code fd} is on; not an O_PATH descriptor. */
    public static int syncFileSystem(int fd) {
        return FileCalls.result(FileCalls.syncfs(fd));
    }

    /** Fills a {@code struct statfs} of {@link #STATFS_BYTES}. */
    public static int status(int fd, NativeBuffer buffer) {
        return FileCalls.result(FileCalls.fstatfs(fd, buffer.address()));
    }

    /** ioctl(2) with a pointer. */
    public static int control(int fd, int request, NativeBuffer argument) {
        return FileCalls.result(FileCalls.ioctl(fd, request & 0xffff_ffffL, argument.address()));
    }

    /** Which of {@code events} a file is ready for, without waiting. */
    public static int poll(int fd, int events, NativeBuffer scratch) {
        ByteBuffer entry = scratch.buffer();
        entry.putInt(0, fd);
        entry.putShort(4, (short) events);
        entry.putShort(6, (short) 0);
        int result = FileCalls.result(FileCalls.poll(scratch.address(), 1, 0));
        return result < 0 ? result : entry.getShort(6) & 0xffff;
    }

    /** How many descriptors this process may have now. */
    public static long descriptorLimit() {
        NativeBuffer limit = NativeBuffer.allocate(16);
        int result = FileCalls.getrlimit(RLIMIT_NOFILE, limit.address());
        long soft = limit.buffer().getLong(0);
        return result < 0 ? 1024 : soft < 0 ? Long.MAX_VALUE : soft;
    }

    /** Raises the number of descriptors a process may have to {@code wanted} if it may; returns what it is now. */
    public static long raiseDescriptorLimit(long wanted) {
        NativeBuffer limit = NativeBuffer.allocate(16);
        ByteBuffer fields = limit.buffer();
        if (FileCalls.getrlimit(RLIMIT_NOFILE, limit.address()) < 0) {
            return 1024;
        }
        long hard = fields.getLong(8);
        long soft = fields.getLong(0);
        if (Long.compareUnsigned(soft, wanted) >= 0) {
            return soft;
        }
        fields.putLong(0, wanted);
        fields.putLong(8, Long.compareUnsigned(hard, wanted) > 0 ? hard : wanted);
        if (FileCalls.setrlimit(RLIMIT_NOFILE, limit.address()) == 0) {
            return wanted;
        }
        fields.putLong(0, hard);
        fields.putLong(8, hard);
        long now = FileCalls.setrlimit(RLIMIT_NOFILE, limit.address()) == 0 ? hard : soft;
        Reference.reachabilityFence(limit);
        return now;
    }
}
