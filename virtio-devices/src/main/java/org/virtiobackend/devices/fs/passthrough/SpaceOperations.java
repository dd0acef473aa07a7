package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileSpace;

/** Holes, copies and the whole file system: LSEEK, FALLOCATE, COPY_FILE_RANGE, SYNCFS, POLL. */
final class SpaceOperations extends Operations {
    private static final int SEEK_DATA = 3;
    private static final int SEEK_HOLE = 4;
    /** Most bytes that one request copies: a caller comes back for the rest, and may be interrupted in between. */
    private static final long MAX_COPY = 256L << 20;

    SpaceOperations(PassthroughServer server) {
        super(server);
    }

    int lseek(FuseCall call) {
        int whence = call.in.u32(16);
        if (whence != SEEK_DATA && whence != SEEK_HOLE) {
            return -Errno.EINVAL;
        }
        Handle handle = pinFile(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            long found = FileSpace.seek(handle.fd(), call.in.u64(8), whence);
            if (found >= 0) {
                call.out.u64(found);
            }
            return (int) Math.min(found, 0);
        } finally {
            handle.unpin();
        }
    }

    int fallocate(FuseCall call) {
        if (!call.mayWait) {
            return FuseCall.WAIT;
        }
        Handle handle = pinFile(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            if (call.in.uid() != 0) {
                writeAsSender(call); // no flag says so, and the driver leaves it to us
            }
            int result = FileSpace.allocate(handle.fd(), call.in.u32(24), call.in.u64(8), call.in.u64(16));
            call.thread.credentials().restore();
            return result < 0 ? result : xattrs().dropMappedCapability(call.thread, handle.inode());
        } finally {
            handle.unpin();
        }
    }

    /** @param wide whether the answer has 64 bits */
    int copyFileRange(FuseCall call, boolean wide) {
        if (!call.mayWait) {
            return FuseCall.WAIT;
        }
        FuseRequest in = call.in;
        if (in.u64(48) != 0) {
            return -Errno.EINVAL;
        }
        Handle source = pinFile(call, in.u64(0));
        Handle target = handles.pin(in.u64(24));
        try {
            boolean sound = source != null
                    && target instanceof FileHandle
                    && target.inode().id() == in.u64(16);
            if (!sound) {
                return -Errno.EBADF;
            }
            ByteBuffer offsets = call.thread.scratch().buffer();
            offsets.putLong(0, in.u64(8));
            offsets.putLong(8, in.u64(32));
            long length = Long.compareUnsigned(in.u64(40), MAX_COPY) < 0 ? in.u64(40) : MAX_COPY;
            if (in.uid() != 0) {
                writeAsSender(call);
            }
            long done = FileSpace.copy(source.fd(), target.fd(), call.thread.scratch(), length);
            call.thread.credentials().restore();
            if (done < 0) {
                return (int) done;
            }
            call.out.u64(wide || call.out.isLittleEndian() ? done : done << 32);
            return xattrs().dropMappedCapability(call.thread, target.inode());
        } finally {
            if (source != null) {
                source.unpin();
            }
            if (target != null) {
                target.unpin();
            }
        }
    }

    int syncfs(FuseCall call) {
        if (!call.mayWait) {
            return FuseCall.WAIT;
        }
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int fd = inode.isDirectory() ? DirectoryIo.openDirectory(inode.fd()) : -Errno.ENOTDIR;
            if (fd < 0) {
                return fd;
            }
            int result = FileSpace.syncFileSystem(fd);
            DirectoryIo.close(fd);
            return result;
        } finally {
            inode.unpin();
        }
    }

    int poll(FuseCall call) {
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            int ready = FileSpace.poll(handle.fd(), call.in.u32(20), call.thread.scratch());
            if (ready >= 0) {
                call.out.u32(ready).u32(0);
            }
            return Math.min(ready, 0);
        } finally {
            handle.unpin();
        }
    }

    private XattrOperations xattrs() {
        return server.xattrs();
    }
}
