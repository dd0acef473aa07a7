package org.virtiobackend.posix;

import java.lang.ref.Reference;
import java.nio.ByteBuffer;

/**
 * Advisory locks on byte ranges that belong to an open file description (F_OFD_SETLK): they go when the last descriptor of it is
 * closed, whatever else the process opens and closes. The bytes need not exist.
 */
public final class OfdLock {
    private static final int F_OFD_GETLK = 36;
    private static final int F_OFD_SETLK = 37;
    private static final int F_RDLCK = 0;
    private static final int F_WRLCK = 1;
    private static final int F_UNLCK = 2;
    private static final int FLOCK_BYTES = 32;

    private OfdLock() {}

    /**
     * Takes a lock without waiting; returns 0 or a negative error number, {@code -EAGAIN} when somebody else's is in the way.
     *
     * @param exclusive needs a descriptor open for writing; a shared lock needs one open for reading
     */
    public static int take(Fd fd, boolean exclusive, long start, long length) {
        NativeBuffer lock = describe(exclusive ? F_WRLCK : F_RDLCK, start, length);
        int result = LibC.fcntl(fd.value(), F_OFD_SETLK, lock.address()) < 0 ? -Errno.last() : 0;
        Reference.reachabilityFence(lock);
        return result;
    }

    /** Whether somebody else holds any lock, shared or exclusive, in a range; false also when the file cannot tell. */
    public static boolean isTaken(Fd fd, long start, long length) {
        NativeBuffer lock = describe(F_WRLCK, start, length);
        return LibC.fcntl(fd.value(), F_OFD_GETLK, lock.address()) == 0
                && lock.buffer().getShort(0) != F_UNLCK;
    }

    private static NativeBuffer describe(int type, long start, long length) {
        NativeBuffer lock = NativeBuffer.allocate(FLOCK_BYTES);
        ByteBuffer fields = lock.buffer();
        fields.putShort(0, (short) type);
        fields.putLong(8, start);
        fields.putLong(16, length);
        return lock;
    }
}
