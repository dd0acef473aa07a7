package org.virtiobackend.devices.fs.passthrough;

import static org.virtiobackend.devices.fs.fuse.FuseInit.*;

import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Errno;

/** INIT and DESTROY: where a session begins and ends. */
final class SessionOperations extends Operations {
    private static final int INIT_EXT_BYTES = 64;
    private static final int COMPAT_BYTES = 24;
    private static final int MAX_BACKGROUND = 1024;
    private static final int NANOSECONDS = 1;

    SessionOperations(PassthroughServer server) {
        super(server);
    }

    int init(FuseCall call) {
        FuseRequest in = call.in;
        int major = in.u32(0);
        int minor = in.u32(4);
        if (Integer.compareUnsigned(major, FUSE_KERNEL_VERSION) > 0) {
            // the driver is to try again with what is spoken here
            call.out.u32(FUSE_KERNEL_VERSION).u32(FUSE_KERNEL_MINOR_VERSION).zeros(replyBytes(call) - 8);
            return 0;
        }
        if (major < FUSE_KERNEL_VERSION || Integer.compareUnsigned(minor, OLDEST_MINOR_VERSION) < 0) {
            return -Errno.EPROTO;
        }
        if (call.room() < COMPAT_BYTES) {
            return -Errno.EINVAL;
        }
        long offered = in.u32(12) & 0xffff_ffffL;
        if ((offered & FUSE_INIT_EXT) != 0 && in.argumentBytes() >= INIT_EXT_BYTES) {
            offered |= (long) in.u32(16) << 32;
        }
        long flags = offered & wanted();
        server.begin(in.order(), flags); // INIT ends the session before: virtio 1.4 5.11.6.1
        call.out.begin(in.order()); // the end of the session before answered what waited for locks
        int spoken = Integer.compareUnsigned(minor, FUSE_KERNEL_MINOR_VERSION) < 0 ? minor : FUSE_KERNEL_MINOR_VERSION;
        call.out.u32(FUSE_KERNEL_VERSION).u32(spoken).u32(in.u32(8)).u32((int) flags);
        call.out.u16(MAX_BACKGROUND).u16(MAX_BACKGROUND * 3 / 4).u32(PassthroughServer.MAX_WRITE);
        if (replyBytes(call) == INIT_OUT_BYTES) {
            call.out.u32(NANOSECONDS).u16(PassthroughServer.MAX_WRITE >> 12).u16(0);
            call.out.u32((int) (flags >>> 32)).zeros(28);
        }
        return 0;
    }

    /** Only waiting for a lock can be interrupted; everything else ends by itself. */
    int interrupt(FuseCall call) {
        return server.lockWaits().interrupt(call.in.u64(0)) ? FuseCall.NO_REPLY : -Errno.EAGAIN;
    }

    int destroy() {
        server.end();
        return 0;
    }

    private static int replyBytes(FuseCall call) {
        return call.room() >= INIT_OUT_BYTES ? INIT_OUT_BYTES : call.room() >= COMPAT_BYTES ? COMPAT_BYTES : 8;
    }

    /** Everything that this server does when the driver can too. Not ALLOW_IDMAP: with it only makers of files say who they are. */
    private long wanted() {
        long flags = FUSE_ASYNC_READ
                | FUSE_ATOMIC_O_TRUNC
                | FUSE_BIG_WRITES
                | FUSE_DONT_MASK
                | FUSE_DO_READDIRPLUS
                | FUSE_READDIRPLUS_AUTO
                | FUSE_ASYNC_DIO
                | FUSE_PARALLEL_DIROPS
                | FUSE_MAX_PAGES
                | FUSE_HANDLE_KILLPRIV_V2
                | FUSE_SETXATTR_EXT
                | FUSE_INIT_EXT
                | FUSE_CREATE_SUPP_GROUP
                | FUSE_HAS_IOCTL_DIR;
        flags |= options.locks().served() ? FUSE_POSIX_LOCKS | FUSE_FLOCK_LOCKS : 0;
        flags |= options.servesAcl() ? FUSE_POSIX_ACL : 0;
        flags |= options.submounts() ? FUSE_SUBMOUNTS : 0;
        flags |= options.writeback() ? FUSE_WRITEBACK_CACHE : 0;
        return flags
                | switch (options.cache()) {
                    case NONE -> FUSE_DIRECT_IO_ALLOW_MMAP;
                    case AUTO -> FUSE_AUTO_INVAL_DATA | FUSE_CACHE_SYMLINKS;
                    case ALWAYS -> FUSE_CACHE_SYMLINKS;
                };
    }
}
