package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileSpace;

/**
 * IOCTL: inode flags, and nothing else: what an unknown ioctl does to the host is unknown. To which project a file is counted
 * stays as it is: by that the host limits what a guest can store.
 */
final class IoctlOperations extends Operations {
    private static final int FS_IOC_GETFLAGS = 0x8008_6601;
    private static final int FS_IOC_SETFLAGS = 0x4008_6602;
    private static final int FS_IOC32_GETFLAGS = 0x8004_6601;
    private static final int FS_IOC32_SETFLAGS = 0x4004_6602;
    private static final int FS_IOC_FSGETXATTR = 0x801c_581f;
    private static final int FS_IOC_FSSETXATTR = 0x401c_5820;
    private static final int FS_PROJINHERIT_FL = 0x2000_0000;
    private static final int FS_XFLAG_PROJINHERIT = 0x200;
    private static final int FSX_PROJID = 12;
    private static final int FLAGS_BYTES = 4;
    private static final int FSXATTR_BYTES = 28;
    private static final int OUT_HEADER_BYTES = 16;
    private static final int DATA = 32;

    IoctlOperations(PassthroughServer server) {
        super(server);
    }

    int ioctl(FuseCall call) {
        int request = call.in.u32(12);
        return switch (request) {
            case FS_IOC_GETFLAGS, FS_IOC32_GETFLAGS -> control(call, FS_IOC_GETFLAGS, FLAGS_BYTES, false);
            case FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS -> control(call, FS_IOC_SETFLAGS, FLAGS_BYTES, true);
            case FS_IOC_FSGETXATTR -> control(call, FS_IOC_FSGETXATTR, FSXATTR_BYTES, false);
            case FS_IOC_FSSETXATTR -> control(call, FS_IOC_FSSETXATTR, FSXATTR_BYTES, true);
            default -> -Errno.ENOTTY;
        };
    }

    private int control(FuseCall call, int request, int bytes, boolean changes) {
        FuseRequest in = call.in;
        boolean enough = changes
                ? in.argumentBytes() >= DATA + bytes
                : call.room() >= OUT_HEADER_BYTES + bytes && Integer.compareUnsigned(in.u32(28), bytes) >= 0;
        if (!enough) {
            return -Errno.EINVAL;
        }
        if (changes && options.readOnly()) {
            return -Errno.EROFS;
        }
        Handle handle = pinHandle(call, in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            ByteBuffer argument = call.thread.scratch().buffer();
            if (changes) {
                int result = keepsProject(call, handle, request);
                if (result < 0) {
                    return result;
                }
            }
            for (int at = 0; at < bytes; at += 4) {
                argument.putInt(at, changes ? in.u32(DATA + at) : 0);
            }
            // Linux before 5.13 does not ask whose file it is
            int result = changes ? become(call) : 0;
            if (result == 0) {
                result = FileSpace.control(handle.fd(), request, call.thread.scratch());
            }
            if (result < 0) {
                return result;
            }
            call.out.zeros(OUT_HEADER_BYTES);
            for (int at = 0; !changes && at < bytes; at += 4) {
                call.out.u32(argument.getInt(at));
            }
            return 0;
        } finally {
            handle.unpin();
        }
    }

    private static int keepsProject(FuseCall call, Handle handle, int request) {
        boolean extended = request == FS_IOC_FSSETXATTR;
        ByteBuffer now = call.thread.scratch().buffer();
        now.putInt(0, 0); // FS_IOC_GETFLAGS fills an int
        int get = extended ? FS_IOC_FSGETXATTR : FS_IOC_GETFLAGS;
        int result = FileSpace.control(handle.fd(), get, call.thread.scratch());
        if (result < 0) {
            return result;
        }
        int inherit = extended ? FS_XFLAG_PROJINHERIT : FS_PROJINHERIT_FL;
        boolean changed = ((now.getInt(0) ^ call.in.u32(DATA)) & inherit) != 0
                || extended && now.getInt(FSX_PROJID) != call.in.u32(DATA + FSX_PROJID);
        return changed ? -Errno.EPERM : 0;
    }
}
