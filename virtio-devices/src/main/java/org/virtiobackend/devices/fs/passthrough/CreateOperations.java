package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIo;

/** What makes files, in the name of the sender: CREATE, TMPFILE, MKNOD, MKDIR, SYMLINK. */
final class CreateOperations extends Operations {
    private static final int PERMISSIONS = 07777;
    private static final int UMASK = 0777;
    private static final int PATH_MAX = 4096;

    private final OpenFlags flags;

    CreateOperations(PassthroughServer server, OpenFlags flags) {
        super(server);
        this.flags = flags;
    }

    int mkdir(FuseCall call) {
        FuseRequest in = call.in;
        int name = in.nameLength(8);
        return name < 0 ? name : make(call, FileAttributes.S_IFDIR | in.u32(0) & PERMISSIONS, 0, in.u32(4), 8);
    }

    int mknod(FuseCall call) {
        FuseRequest in = call.in;
        int name = in.nameLength(16);
        if (name < 0) {
            return name;
        }
        int mode = in.u32(0) & (FileAttributes.S_IFMT | PERMISSIONS);
        int device = in.u32(4);
        switch (mode & FileAttributes.S_IFMT) {
            case 0, FileAttributes.S_IFREG, FileAttributes.S_IFIFO, FileAttributes.S_IFSOCK -> {}
            case FileAttributes.S_IFCHR, FileAttributes.S_IFBLK -> {
                // a whiteout, character device 0:0, is no device
                boolean whiteout = (mode & FileAttributes.S_IFMT) == FileAttributes.S_IFCHR && device == 0;
                if (!options.deviceNodes() && !whiteout) {
                    return -Errno.EPERM;
                }
            }
            default -> {
                return -Errno.EINVAL;
            }
        }
        return make(call, mode, EntryWriter.decodeDevice(device), in.u32(8), 16);
    }

    private int make(FuseCall call, int mode, long device, int umask, int nameAt) {
        Inode directory = inodes.pin(call.in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        long name = call.in.address(nameAt);
        try {
            int result = becomeWith(call, umask);
            if (result == 0) {
                boolean isDirectory = (mode & FileAttributes.S_IFMT) == FileAttributes.S_IFDIR;
                result = isDirectory
                        ? DirectoryIo.makeDirectory(directory.fd(), name, mode & PERMISSIONS)
                        : DirectoryIo.makeNode(directory.fd(), name, mode, device);
            }
            call.thread.credentials().restore();
            return result < 0 ? result : replyEntry(call, directory, name);
        } finally {
            directory.unpin();
        }
    }

    int symlink(FuseCall call) {
        FuseRequest in = call.in;
        int name = in.nameLength(0);
        if (name < 0) {
            return name;
        }
        int target = in.textLength(name + 1);
        if (target <= 0 || target >= PATH_MAX) {
            return target == 0 ? -Errno.ENOENT : target < 0 ? -Errno.EINVAL : -Errno.ENAMETOOLONG;
        }
        Inode directory = inodes.pin(in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        try {
            int result = become(call);
            if (result == 0) {
                result = DirectoryIo.makeSymlink(in.address(name + 1), directory.fd(), in.address(0));
            }
            call.thread.credentials().restore();
            return result < 0 ? result : replyEntry(call, directory, in.address(0));
        } finally {
            directory.unpin();
        }
    }

    int create(FuseCall call) {
        FuseRequest in = call.in;
        int name = in.nameLength(16);
        if (name < 0) {
            return name;
        }
        Inode directory = inodes.pin(in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        try {
            int wanted = in.u32(0);
            int result = becomeWith(call, in.u32(8));
            int hostFlags = flags.forHost(wanted);
            int fd = result < 0
                    ? result
                    : DirectoryIo.create(directory.fd(), in.address(16), hostFlags, in.u32(4) & PERMISSIONS);
            call.thread.credentials().restore();
            if (fd == -Errno.EEXIST && (wanted & FileIo.O_EXCL) == 0) {
                return openExisting(call, directory, wanted);
            }
            return fd < 0 ? fd : replyCreated(call, directory, fd, hostFlags, in.address(16));
        } finally {
            directory.unpin();
        }
    }

    int tmpfile(FuseCall call) {
        FuseRequest in = call.in;
        Inode directory = inodes.pin(in.nodeId());
        if (directory == null) {
            return -Errno.ESTALE;
        }
        try {
            int result = becomeWith(call, in.u32(8));
            int keep = in.u32(0) & FileIo.O_EXCL; // it may never get a name
            int hostFlags = flags.forHost(in.u32(0));
            int fd = result < 0
                    ? result
                    : DirectoryIo.createUnnamed(directory.fd(), hostFlags | keep, in.u32(4) & PERMISSIONS);
            call.thread.credentials().restore();
            return fd < 0 ? fd : replyCreated(call, directory, fd, hostFlags, 0);
        } finally {
            directory.unpin();
        }
    }

    /**
     * Somebody made it first. The driver asked nobody whether its sender may open it, as it expected to make it, so the host is asked.
     * Where that cannot say yes the driver is to look again: it knows all of the sender's groups, and follows symbolic links.
     */
    private int openExisting(FuseCall call, Inode directory, int wanted) {
        if (!call.thread.credentials().mayChange() && call.in.uid() != 0) {
            return -Errno.ESTALE;
        }
        int result = replyEntry(call, directory, call.in.address(16));
        if (result < 0) {
            return result;
        }
        long nodeId = PassthroughServer.nodeIdOfEntry(call.out);
        result = become(call);
        if (result == 0) {
            result = server.files().openNode(call, nodeId, wanted, call.in.u32(12));
        }
        if (result < 0) {
            inodes.forget(nodeId, 1);
        }
        // nor is the name kept of what is put off: for a lease it waits when it opens the file that it then finds
        boolean again = result == -Errno.EACCES || result == -Errno.ELOOP || result == FuseCall.WAIT_FOR_OTHERS;
        return again ? -Errno.ESTALE : result;
    }

    /** @param fd of the new file, taken over; {@code name} is 0 when it has none */
    private int replyCreated(FuseCall call, Inode directory, int fd, int hostFlags, long name) {
        int path = call.thread.proc().reopen(fd, DirectoryIo.O_PATH);
        long nodeId = path < 0 ? path : know(call.thread, path, directory, name);
        if (nodeId < 0) {
            DirectoryIo.close(fd);
            return (int) nodeId;
        }
        entries.entry(call.out, nodeId, call.thread.attributes(), directory.mountId());
        int result = server.files().replyOpened(call, nodeId, fd, hostFlags);
        if (result < 0) {
            inodes.forget(nodeId, 1);
        }
        return result;
    }

    private int becomeWith(FuseCall call, int umask) {
        call.thread.credentials().umask(umask & UMASK);
        return become(call);
    }
}
