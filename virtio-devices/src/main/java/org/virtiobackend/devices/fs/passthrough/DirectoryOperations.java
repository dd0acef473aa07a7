package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;

/** Open directories: OPENDIR, READDIR, READDIRPLUS, RELEASEDIR. */
final class DirectoryOperations extends Operations {
    private static final int DIRENT_BYTES = 24;

    private final BufferPool buffers = new BufferPool();

    DirectoryOperations(PassthroughServer server) {
        super(server);
    }

    int opendir(FuseCall call) {
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        int fd = inode.isDirectory() ? DirectoryIo.openDirectory(inode.fd()) : -Errno.ENOTDIR;
        if (fd < 0) {
            inode.unpin();
            return fd;
        }
        DirectoryHandle handle = new DirectoryHandle(fd, inode, buffers);
        if (!handles.add(handle)) {
            handle.unpin();
            return -Errno.ENFILE;
        }
        call.out.u64(handle.id()).u32(options.cache().openDirectoryFlags()).u32(0);
        return 0;
    }

    int releasedir(FuseCall call) {
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        handles.remove(handle.id());
        handle.unpin();
        return 0;
    }

    int readdir(FuseCall call, boolean plus) {
        Handle handle = pinHandle(call, call.in.u64(0));
        if (handle == null) {
            return -Errno.EBADF;
        }
        try {
            if (!(handle instanceof DirectoryHandle directory)) {
                return -Errno.ENOTDIR;
            }
            synchronized (directory) {
                int result = read(call, directory, plus);
                directory.pause();
                return result;
            }
        } finally {
            handle.unpin();
        }
    }

    private int read(FuseCall call, DirectoryHandle directory, boolean plus) {
        FuseReply out = call.out;
        int size = call.roomFor(call.in.u32(16));
        int result = directory.seek(call.in.u64(8));
        while (result >= 0) {
            result = directory.advance();
            if (result <= 0) {
                break;
            }
            int name = directory.nameLength();
            int bytes = (plus ? FuseReply.ENTRY_BYTES : 0) + DIRENT_BYTES + name + 7 & ~7;
            if (out.length() + bytes > size) {
                break;
            }
            if (plus) {
                entry(call, directory, name);
            }
            out.u64(numberFor(directory, name)).u64(directory.next()).u32(name).u32(directory.type());
            out.put(directory.memory(), directory.nameOffset(), name).zeros(-name & 7);
            directory.taken();
        }
        return out.length() > 0 ? 0 : Math.min(result, 0);
    }

    /** Bytes of entries that were read ahead for open directories. */
    long readAheadBytes() {
        return (long) buffers.lent() * BufferPool.BYTES;
    }

    /** Says all about an entry, or nothing when it has gone in the meantime or cannot be known. */
    private void entry(FuseCall call, DirectoryHandle directory, int nameLength) {
        long id = 0;
        // a driver cannot name a longer one, though some file systems have them: vfat counts 255 characters, not bytes
        if (!isDots(directory, nameLength) && nameLength <= FuseRequest.NAME_MAX) {
            Inode parent = directory.inode();
            long name = directory.nameAddress();
            id = inodes.probablyKnown(directory.number(), parent.device())
                    ? lookUp(call.thread, parent, name)
                    : lookUpNew(call.thread, parent, name);
        }
        if (id > 0) {
            entries.entry(
                    call.out, id, call.thread.attributes(), directory.inode().mountId());
        } else {
            entries.noEntry(call.out);
        }
    }

    /** What is above the shared directory is nobody's business. */
    private long numberFor(DirectoryHandle directory, int nameLength) {
        boolean up = nameLength == 2 && isDots(directory, nameLength);
        return up && directory.inode() == inodes.root() ? inodes.root().number() : directory.number();
    }

    private static boolean isDots(DirectoryHandle directory, int nameLength) {
        int at = directory.nameOffset();
        return nameLength <= 2
                && directory.memory().get(at) == '.'
                && (nameLength == 1 || directory.memory().get(at + 1) == '.');
    }
}
