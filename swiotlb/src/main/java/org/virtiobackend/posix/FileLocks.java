package org.virtiobackend.posix;

import java.nio.ByteBuffer;

/**
 * Advisory locks that belong to an open file: byte ranges (F_OFD_SETLK) and whole files (flock). Nothing waits. All answer a
 * negative error number on failure, {@code -EAGAIN} when somebody else's lock is in the way.
 */
public final class FileLocks {
    public static final int F_RDLCK = 0;
    public static final int F_WRLCK = 1;
    public static final int F_UNLCK = 2;
    /** Bytes of memory that a call needs. */
    public static final int BYTES = 32;

    private static final int F_OFD_GETLK = 36;
    private static final int F_OFD_SETLK = 37;
    private static final int LOCK_SH = 1;
    private static final int LOCK_EX = 2;
    private static final int LOCK_NB = 4;
    private static final int LOCK_UN = 8;

    private FileLocks() {}

    /** @param length bytes, 0 for all that follow */
    public static int setRange(int fd, int type, long start, long length, NativeBuffer memory) {
        describe(memory, type, start, length);
        return FileCalls.result(FileCalls.fcntl(fd, F_OFD_SETLK, memory.address()));
    }

    /** Finds the lock that would be in the way; {@link #type} and the like then describe it. */
    public static int queryRange(int fd, int type, long start, long length, NativeBuffer memory) {
        describe(memory, type, start, length);
        return FileCalls.result(FileCalls.fcntl(fd, F_OFD_GETLK, memory.address()));
    }

    /** Of the lock found: {@link #F_UNLCK} when nothing is in the way. */
    public static int type(NativeBuffer memory) {
        return memory.buffer().getShort(0);
    }

    public static long start(NativeBuffer memory) {
        return memory.buffer().getLong(8);
    }

    public static long length(NativeBuffer memory) {
        return memory.buffer().getLong(16);
    }

    /** Process that holds the lock found, or -1: a lock of this kind has none. */
    public static int pid(NativeBuffer memory) {
        return memory.buffer().getInt(24);
    }

    /** Locks or unlocks a whole file. */
    public static int setWhole(int fd, int type) {
        int operation = type == F_UNLCK ? LOCK_UN : (type == F_WRLCK ? LOCK_EX : LOCK_SH) | LOCK_NB;
        return FileCalls.result(FileCalls.flock(fd, operation));
    }

    private static void describe(NativeBuffer memory, int type, long start, long length) {
        ByteBuffer fields = memory.buffer();
        fields.putShort(0, (short) type);
        fields.putShort(2, (short) 0);
        fields.putLong(8, start);
        fields.putLong(16, length);
        fields.putInt(24, 0);
    }
}
