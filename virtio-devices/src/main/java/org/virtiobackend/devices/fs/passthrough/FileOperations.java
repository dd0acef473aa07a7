package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.FileSpace;
import org.virtiobackend.posix.IoVec;

/** Open regular files: OPEN, READ, WRITE, FLUSH, RELEASE, FSYNC. */
final class FileOperations extends Operations {
    private static final int FUSE_OPEN_KILL_SUIDGID = 1;
    private static final int FUSE_WRITE_CACHE = 1;
    private static final int FUSE_WRITE_KILL_SUIDGID = 1 << 2;
    private static final int FUSE_FSYNC_FDATASYNC = 1;
    private static final int WRITE_HEADER = FuseRequest.HEADER_BYTES + 40;
    /** max_pages counts the driver's pages, which have up to 256 KiB; a shorter answer would mean the end of the file. */
    private static final int MAX_READ = (PassthroughServer.MAX_WRITE >> 12) << 18;
    /** A write of more is left to a thread that may wait. */
    private static final int INLINE_WRITE_BYTES = 1 << 17;

    private final OpenFlags flags;
    // what this file system turned out not to do; a race costs one more try
    private boolean readsNoWait = FileIo.NOWAIT_TELLS_END;

    FileOperations(PassthroughServer server, OpenFlags flags) {
        super(server);
        this.flags = flags;
    }

    int open(FuseCall call) {
        return openNode(call, call.in.nodeId(), call.in.u32(0), call.in.u32(4));
    }

    /** Opens a file anew, if it is a regular one: opening a device or a FIFO would act on the host. */
    int openNode(FuseCall call, long nodeId, int wanted, int openFlags) {
        if (options.readOnly() && OpenFlags.changes(wanted)) {
            return -Errno.EROFS;
        }
        Inode inode = inodes.pin(nodeId);
        if (inode == null) {
            return -Errno.ESTALE;
        }
        int result;
        int hostFlags = flags.forHost(wanted);
        try {
            if (!inode.isRegular()) {
                return inode.isDirectory() ? -Errno.EISDIR : inode.isSymlink() ? -Errno.ELOOP : -Errno.EACCES;
            }
            boolean kill = (openFlags & FUSE_OPEN_KILL_SUIDGID) != 0 && (wanted & FileIo.O_TRUNC) != 0;
            if (kill) {
                loseSetId(call);
            }
            result = reopen(call, inode, hostFlags);
            if (result == -Errno.EPERM && flags.appends(wanted)) {
                hostFlags |= DirectoryIo.O_APPEND; // chattr +a: it opens no other way
                result = reopen(call, inode, hostFlags);
            }
            call.thread.credentials().restore();
            if (result >= 0 && (wanted & FileIo.O_TRUNC) != 0) {
                server.xattrs().dropMappedCapability(call.thread, inode);
            }
        } finally {
            inode.unpin();
        }
        return result < 0 ? result : replyOpened(call, nodeId, result, hostFlags);
    }

    /** Answers with a handle for {@code fd}, which is taken over and is open with {@code hostFlags}. */
    int replyOpened(FuseCall call, long nodeId, int fd, int hostFlags) {
        Inode inode = inodes.pin(nodeId);
        if (inode == null) {
            DirectoryIo.close(fd);
            return -Errno.ESTALE;
        }
        FileHandle handle = new FileHandle(fd, inode, hostFlags);
        if (!handles.add(handle)) {
            handle.unpin();
            return -Errno.ENFILE;
        }
        call.out.u64(handle.id()).u32(options.cache().openFlags()).u32(0);
        return 0;
    }

    int read(FuseCall call) {
        FuseRequest in = call.in;
        long offset = in.u64(8);
        // a chain may name the same memory again and again, up to 4 GiB
        long size = Math.min(Math.min(in.u32(16) & 0xffff_ffffL, call.room()), MAX_READ);
        if (offset < 0) {
            return -Errno.EINVAL;
        }
        Handle handle = pinHandle(call, in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            return handle instanceof FileHandle ? read(call, handle, offset, size) : -Errno.EISDIR;
        } finally {
            handle.unpin();
        }
    }

    private int read(FuseCall call, Handle handle, long offset, long size) {
        boolean waits = call.mayWait || server.isInMemory();
        if (!waits && !readsNoWait) {
            return FuseCall.WAIT;
        }
        int rwf = waits ? 0 : FileIo.RWF_NOWAIT;
        IoVec iov = call.thread.iov();
        long total = 0;
        while (total < size) {
            iov.clear();
            call.writable().addTo(iov, FuseReply.HEADER_BYTES + total, size - total);
            long done = FileIo.read(handle.descriptor(), iov, offset + total, rwf);
            if (done > 0) {
                total += done;
            } else if (done == 0) {
                break;
            } else if (rwf != 0 && (done == -Errno.EAGAIN || done == -Errno.EOPNOTSUPP || done == -Errno.EINVAL)) {
                readsNoWait = done == -Errno.EAGAIN;
                return FuseCall.WAIT;
            } else {
                return total > 0 ? (int) total : (int) done;
            }
        }
        return (int) total;
    }

    int write(FuseCall call) {
        FuseRequest in = call.in;
        long offset = in.u64(8);
        long size = in.u32(16) & 0xffff_ffffL;
        if (offset < 0
                || size > PassthroughServer.MAX_WRITE
                || size > call.readable().totalBytes() - WRITE_HEADER) {
            return -Errno.EINVAL;
        }
        boolean cached = (in.u32(20) & FUSE_WRITE_CACHE) != 0;
        boolean appends = !cached && flags.appends(in.u32(32));
        int durability = OpenFlags.durability(in.u32(32));
        int wait = appends ? FuseCall.WAIT_IN_ORDER : FuseCall.WAIT;
        boolean behind = appends && !server.appendOrder().isFree(in.nodeId());
        if (!call.mayWait && (size > INLINE_WRITE_BYTES || durability != 0 || behind)) {
            return wait;
        }
        Handle handle = pinHandle(call, in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            if (!(handle instanceof FileHandle file)) {
                return -Errno.EBADF;
            }
            if (!call.mayWait && file.waits()) {
                return wait;
            }
            if (!appends && file.onlyGrows()) {
                return -Errno.EPERM;
            }
            if ((in.u32(20) & FUSE_WRITE_KILL_SUIDGID) != 0) {
                writeAsSender(call);
            }
            long done = write(call, handle, offset, size, durability | (appends ? FileIo.RWF_APPEND : 0));
            call.thread.credentials().restore();
            if (done >= 0) {
                server.xattrs().dropMappedCapability(call.thread, handle.inode());
                call.out.u32((int) done).u32(0);
            }
            return (int) Math.min(done, 0);
        } finally {
            handle.unpin();
        }
    }

    private long write(FuseCall call, Handle handle, long offset, long size, int rwf) {
        IoVec iov = call.thread.iov();
        long total = 0;
        while (total < size) {
            iov.clear();
            call.readable().addTo(iov, WRITE_HEADER + total, size - total);
            long done = FileIo.write(handle.descriptor(), iov, offset + total, rwf);
            if (done <= 0) {
                return total > 0 ? total : done == 0 ? -Errno.EIO : done;
            }
            total += done;
        }
        return total;
    }

    int release(FuseCall call) {
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        handles.remove(handle.id());
        server.lockOwners().released(handle);
        handle.unpin();
        server.lockWaits().somethingReleased();
        return 0;
    }

    int flush(FuseCall call) {
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            // another machine or program may say only now what became of what was written
            boolean asks = !server.fileSystems().areLocal() && handle instanceof FileHandle file && file.isWritable();
            if (asks && !call.mayWait) {
                return FuseCall.WAIT;
            }
            int result = asks ? DirectoryIo.closeCopy(handle.fd()) : 0;
            if (server.lockOwners().closed(handle.inode(), call.in.u64(16))) {
                server.lockWaits().somethingReleased();
            }
            return result;
        } finally {
            handle.unpin();
        }
    }

    /** FSYNC and FSYNCDIR. */
    int fsync(FuseCall call) {
        if (!call.mayWait) {
            return FuseCall.WAIT;
        }
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            boolean dataOnly = (call.in.u32(8) & FUSE_FSYNC_FDATASYNC) != 0;
            return dataOnly ? FileSpace.syncData(handle.fd()) : FileSpace.sync(handle.fd());
        } finally {
            handle.unpin();
        }
    }
}
