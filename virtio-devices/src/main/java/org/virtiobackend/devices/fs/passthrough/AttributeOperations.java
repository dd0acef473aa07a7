package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.FileSpace;

/** Attributes of files: GETATTR, STATX, SETATTR, ACCESS; and of the file system: STATFS. */
final class AttributeOperations extends Operations {
    private static final int FATTR_MODE = 1;
    private static final int FATTR_UID = 1 << 1;
    private static final int FATTR_GID = 1 << 2;
    private static final int FATTR_SIZE = 1 << 3;
    private static final int FATTR_ATIME = 1 << 4;
    private static final int FATTR_MTIME = 1 << 5;
    private static final int FATTR_FH = 1 << 6;
    private static final int FATTR_ATIME_NOW = 1 << 7;
    private static final int FATTR_MTIME_NOW = 1 << 8;
    private static final int FATTR_KILL_SUIDGID = 1 << 11;
    private static final int FATTR_TIMES = FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW;
    private static final long UTIME_NOW = (1L << 30) - 1;
    private static final long UTIME_OMIT = (1L << 30) - 2;
    private static final int PERMISSIONS = 07777;
    private static final int AT_STATX_SYNC_TYPE = 0x6000;
    private static final int W_OK = 2;

    AttributeOperations(PassthroughServer server) {
        super(server);
    }

    int getattr(FuseCall call) {
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            return replyAttributes(call, inode);
        } finally {
            inode.unpin();
        }
    }

    int statx(FuseCall call) {
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            FileAttributes attributes = call.thread.attributes();
            int flags = call.in.u32(16) & AT_STATX_SYNC_TYPE;
            int wanted = FileAttributes.STATX_BASIC_STATS | FileAttributes.STATX_BTIME;
            int result = attributes.readFd(inode.fd(), flags, wanted);
            if (result == 0) {
                entries.statxOut(call.out, attributes);
            }
            return result;
        } finally {
            inode.unpin();
        }
    }

    int setattr(FuseCall call) {
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int valid = call.in.u32(0);
            int result = (valid & FATTR_MODE) != 0 ? changeMode(call, inode) : 0;
            if (result == 0 && (valid & (FATTR_UID | FATTR_GID)) != 0) {
                result = changeOwner(call, inode, valid);
            }
            if (result == 0 && (valid & FATTR_SIZE) != 0) {
                result = changeSize(call, inode, valid);
            }
            if (result == 0 && (valid & FATTR_TIMES) != 0) {
                result = changeTimes(call, inode, valid);
            }
            if (result == 0 && (valid & (FATTR_UID | FATTR_GID | FATTR_SIZE)) != 0) {
                server.xattrs().dropMappedCapability(call.thread, inode);
            }
            return result < 0 ? result : replyAttributes(call, inode);
        } finally {
            inode.unpin();
        }
    }

    /** Open files ask too: default_permissions is the driver's to have, but not every driver has it. */
    int access(FuseCall call) {
        int mask = call.in.u32(0) & 7;
        if (options.readOnly() && (mask & W_OK) != 0) {
            return -Errno.EROFS;
        }
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int result = become(call);
            return result < 0 ? result : DirectoryIo.access(call.thread.proc(), inode.fd(), mask);
        } finally {
            call.thread.credentials().restore();
            inode.unpin();
        }
    }

    int statfs(FuseCall call) {
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int result = FileSpace.status(inode.fd(), call.thread.scratch());
            if (result < 0) {
                return result;
            }
            ByteBuffer status = call.thread.scratch().buffer();
            for (int at = 16; at < 56; at += 8) {
                call.out.u64(status.getLong(at)); // blocks, free, available, files, free files
            }
            call.out
                    .u32((int) status.getLong(8))
                    .u32((int) status.getLong(64))
                    .u32((int) status.getLong(72))
                    .zeros(28);
            return 0;
        } finally {
            inode.unpin();
        }
    }

    private int replyAttributes(FuseCall call, Inode inode) {
        FileAttributes attributes = call.thread.attributes();
        int result = attributes.readFd(inode.fd());
        if (result == 0) {
            entries.attrOut(call.out, attributes);
        }
        return result;
    }

    private int changeMode(FuseCall call, Inode inode) {
        if (inode.isSymlink()) {
            return -Errno.EOPNOTSUPP;
        }
        return DirectoryIo.changeMode(call.thread.proc(), inode.fd(), call.in.u32(68) & PERMISSIONS);
    }

    private int changeOwner(FuseCall call, Inode inode, int valid) {
        int uid = (valid & FATTR_UID) != 0 ? options.uids().toHost(call.in.u32(76)) : -1;
        int gid = (valid & FATTR_GID) != 0 ? options.gids().toHost(call.in.u32(80)) : -1;
        boolean forbidden = (valid & FATTR_UID) != 0 && uid == IdMap.FORBIDDEN
                || (valid & FATTR_GID) != 0 && gid == IdMap.FORBIDDEN;
        return forbidden ? -Errno.EPERM : DirectoryIo.changeOwner(inode.fd(), uid, gid);
    }

    private int changeSize(FuseCall call, Inode inode, int valid) {
        long size = call.in.u64(16);
        if (!inode.isRegular()) {
            return inode.isDirectory() ? -Errno.EISDIR : -Errno.EINVAL;
        }
        try {
            if ((valid & FATTR_KILL_SUIDGID) != 0) {
                loseSetId(call);
            }
            if ((valid & FATTR_FH) != 0) {
                Handle handle = pinHandle(call, call.in.u64(8));
                if (handle == null) {
                    return -Errno.EBADF;
                }
                int result = FileSpace.truncate(handle.fd(), size);
                handle.unpin();
                return result;
            }
            int fd = reopen(call, inode, FileIo.O_WRONLY);
            if (fd < 0) {
                return fd;
            }
            int result = FileSpace.truncate(fd, size);
            DirectoryIo.close(fd);
            return result;
        } finally {
            call.thread.credentials().restore();
        }
    }

    private int changeTimes(FuseCall call, Inode inode, int valid) {
        ByteBuffer times = call.thread.scratch().buffer();
        putTime(times, 0, call.in, valid, FATTR_ATIME, FATTR_ATIME_NOW, 32, 56);
        putTime(times, 16, call.in, valid, FATTR_MTIME, FATTR_MTIME_NOW, 40, 60);
        return DirectoryIo.changeTimes(inode.fd(), call.thread.scratch());
    }

    private static void putTime(
            ByteBuffer times, int at, FuseRequest in, int valid, int set, int now, int seconds, int nanos) {
        boolean toNow = (valid & now) != 0;
        boolean toGiven = !toNow && (valid & set) != 0;
        times.putLong(at, toGiven ? in.u64(seconds) : 0);
        times.putLong(at + 8, toNow ? UTIME_NOW : toGiven ? in.u32(nanos) & 0xffff_ffffL : UTIME_OMIT);
    }
}
