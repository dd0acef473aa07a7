package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;

/** LOOKUP, FORGET, and what takes names away or moves them: UNLINK, RMDIR, RENAME, RENAME2, LINK, READLINK. */
final class NameOperations extends Operations {
    private static final int RENAME_FLAGS = 7;
    private static final int RENAME_EXCHANGE = 2;
    private static final int RENAME_WHITEOUT = 4;
    private static final int PATH_MAX = 4096;

    NameOperations(PassthroughServer server) {
        super(server);
    }

    int lookup(FuseCall call) {
        Inode directory = inodes.pin(call.in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        try {
            int name = call.in.nameLength(0);
            if (name < 0) {
                return name;
            }
            int result = replyEntry(call, directory, call.in.address(0));
            // not where changes by others are told: when some are lost, those that are known are told of, not these
            if (result == -Errno.ENOENT && options.cache() == CachePolicy.ALWAYS && !inodes.isWatched()) {
                // node 0: the name does not exist, and that holds for a while
                call.out.u64(0).u64(0).u64(options.cache().seconds()).zeros(FuseReply.ENTRY_BYTES - 24);
                return 0;
            }
            return result;
        } finally {
            directory.unpin();
        }
    }

    int forget(FuseCall call) {
        inodes.forget(call.in.nodeId(), call.in.u64(0));
        return FuseCall.NO_REPLY;
    }

    int batchForget(FuseCall call) {
        FuseRequest in = call.in;
        long present = (in.argumentBytes() - 8) / 16;
        long count = Math.min(in.u32(0) & 0xffff_ffffL, present);
        for (int i = 0; i < count; i++) {
            inodes.forget(in.u64(8 + 16 * i), in.u64(16 + 16 * i));
        }
        return FuseCall.NO_REPLY;
    }

    int remove(FuseCall call, boolean directoryWanted) {
        Inode directory = inodes.pin(call.in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        try {
            int name = call.in.nameLength(0);
            int flags = directoryWanted ? DirectoryIo.AT_REMOVEDIR : 0;
            return name < 0 ? name : DirectoryIo.remove(directory.fd(), call.in.address(0), flags);
        } finally {
            directory.unpin();
        }
    }

    /** @param names where the two names start: RENAME and RENAME2 differ in that */
    int rename(FuseCall call, int names) {
        FuseRequest in = call.in;
        int flags = names == 16 ? in.u32(8) : 0;
        if ((flags & ~RENAME_FLAGS) != 0) {
            return -Errno.EINVAL;
        }
        int from = in.nameLength(names);
        int toAt = names + from + 1;
        int to = from < 0 ? from : in.nameLength(toAt);
        if (to < 0) {
            return to;
        }
        Inode source = inodes.pin(in.nodeId());
        Inode target = inodes.pin(in.u64(0));
        try {
            if (source == null || target == null) {
                return -Errno.ESTALE;
            }
            // a whiteout is a file that is made
            int result = (flags & RENAME_WHITEOUT) != 0 ? become(call) : 0;
            if (result == 0) {
                result = DirectoryIo.rename(source.fd(), in.address(names), target.fd(), in.address(toAt), flags);
            }
            if (result == 0) {
                moved(call.thread, target, in.address(toAt));
                if ((flags & RENAME_EXCHANGE) != 0) {
                    moved(call.thread, source, in.address(names));
                }
            }
            return result;
        } finally {
            call.thread.credentials().restore();
            if (source != null) {
                source.unpin();
            }
            if (target != null) {
                target.unpin();
            }
        }
    }

    /** Remembers where to look for a file that was moved. */
    private void moved(FsThread thread, Inode directory, long name) {
        if (thread.attributes().readAt(directory.fd(), name) == 0) {
            inodes.foundAt(thread.attributes(), directory.id(), DirectoryIo.copyName(name));
        }
    }

    int link(FuseCall call) {
        int name = call.in.nameLength(8);
        if (name < 0) {
            return name;
        }
        Inode directory = inodes.pin(call.in.nodeId());
        Inode file = inodes.pin(call.in.u64(0));
        try {
            if (directory == null || file == null) {
                return -Errno.ESTALE;
            }
            long newName = call.in.address(8);
            int result = DirectoryIo.link(call.thread.proc(), file.fd(), directory.fd(), newName);
            return result < 0 ? result : replyEntry(call, directory, newName);
        } finally {
            if (directory != null) {
                directory.unpin();
            }
            if (file != null) {
                file.unpin();
            }
        }
    }

    int readlink(FuseCall call) {
        Inode link = inodes.pin(call.in.nodeId());
        if (link == null) {
            return -Errno.ESTALE;
        }
        try {
            if (!link.isSymlink()) {
                return -Errno.EINVAL;
            }
            int room = call.roomFor(PATH_MAX);
            int length = room == 0 ? -Errno.EINVAL : DirectoryIo.readLink(link.fd(), call.out.address(), room);
            if (length >= 0) {
                call.out.filled(length);
            }
            return Math.min(length, 0);
        } finally {
            link.unpin();
        }
    }
}
