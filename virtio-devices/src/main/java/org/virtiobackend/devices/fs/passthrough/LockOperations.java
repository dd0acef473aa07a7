package org.virtiobackend.devices.fs.passthrough;

import java.util.List;
import java.util.Set;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileLocks;
import org.virtiobackend.posix.NativeBuffer;

/**
 * GETLK, SETLK, SETLKW. flock locks belong to the driver's open file, and so to ours. Byte ranges belong to an owner, so each
 * owner has an open file of its own for each inode it locks ({@link LockOwners}).
 */
final class LockOperations extends Operations {
    private static final int FUSE_LK_FLOCK = 1;
    private static final long TO_THE_END = Long.MAX_VALUE;

    private final LockOwners owners;

    LockOperations(PassthroughServer server) {
        super(server);
        this.owners = server.lockOwners();
    }

    int get(FuseCall call) {
        FuseRequest in = call.in;
        Handle handle = pinFile(call, in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            NativeBuffer memory = call.thread.scratch();
            int result = isRange(in)
                    ? owners.query(call.thread, handle, in.u64(8), type(in), in.u64(16), length(in))
                    : -Errno.EINVAL;
            if (result < 0) {
                return result;
            }
            int type = FileLocks.type(memory);
            boolean free = type == FileLocks.F_UNLCK;
            long start = free ? in.u64(16) : FileLocks.start(memory);
            long length = FileLocks.length(memory);
            long end = free ? in.u64(24) : length == 0 ? TO_THE_END : start + length - 1;
            call.out.u64(start).u64(end).u32(type);
            call.out.u32(free ? 0 : owners.pidOfOther(handle.inode(), in.u64(8), FileLocks.pid(memory)));
            return 0;
        } finally {
            handle.unpin();
        }
    }

    /** SETLK and SETLKW; the latter may answer {@link FuseCall#AWAIT_LOCK}. */
    int set(FuseCall call, boolean waits) {
        FuseRequest in = call.in;
        Handle handle = pinHandle(call, in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            int type = type(in);
            int result = isWhole(in) ? setWhole(handle, type) : setRange(call, handle, type);
            if (result == 0 && type != FileLocks.F_WRLCK) {
                server.lockWaits().somethingReleased();
            }
            boolean taken = result == -Errno.EAGAIN || result == -Errno.EACCES;
            return taken ? waits ? FuseCall.AWAIT_LOCK : -Errno.EAGAIN : result;
        } finally {
            handle.unpin();
        }
    }

    /** Of some owners those that keep the sender of a SETLKW from its byte range at the moment; flock locks have none. */
    static List<Long> inTheWay(LockOwners owners, Set<Long> some, FuseRequest in) {
        return !isWhole(in) && isRange(in)
                ? owners.inTheWay(some, in.nodeId(), owner(in), type(in), in.u64(16), in.u64(24))
                : List.of();
    }

    /** Whether it is about a flock lock, which covers a file, or about a byte range. */
    static boolean isWhole(FuseRequest in) {
        return (in.u32(40) & FUSE_LK_FLOCK) != 0;
    }

    /** Who locks: a process of the driver, as a rule. */
    static long owner(FuseRequest in) {
        return in.u64(8);
    }

    private static int setWhole(Handle handle, int type) {
        return type < 0 ? -Errno.EINVAL : FileLocks.setWhole(handle.fd(), type);
    }

    private int setRange(FuseCall call, Handle handle, int type) {
        FuseRequest in = call.in;
        if (!isRange(in) || !(handle instanceof FileHandle)) {
            return -Errno.EINVAL;
        }
        return owners.set(call.thread, handle, in.u64(8), in.u32(36), type, in.u64(16), length(in));
    }

    private static boolean isRange(FuseRequest in) {
        return type(in) >= 0 && in.u64(16) >= 0 && in.u64(24) >= in.u64(16);
    }

    private static int type(FuseRequest in) {
        int type = in.u32(32);
        return type >= FileLocks.F_RDLCK && type <= FileLocks.F_UNLCK ? type : -1;
    }

    private static long length(FuseRequest in) {
        return in.u64(24) == TO_THE_END ? 0 : in.u64(24) - in.u64(16) + 1;
    }
}
