package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIo;

/** What all groups of operations share: the tables, and how a name becomes a file that the driver knows. */
abstract class Operations {
    final PassthroughServer server;
    final InodeTable inodes;
    final SlotTable<Handle> handles;
    final EntryWriter entries;
    final PassthroughOptions options;

    Operations(PassthroughServer server) {
        this.server = server;
        this.inodes = server.inodes();
        this.handles = server.handles();
        this.entries = server.entries();
        this.options = server.options();
    }

    /** The open file that a request names, pinned, if it is one of the file the request is about; or null. */
    final Handle pinHandle(FuseCall call, long id) {
        Handle handle = handles.pin(id);
        if (handle != null && handle.inode().id() != call.in.nodeId()) {
            handle.unpin();
            return null;
        }
        return handle;
    }

    /** The same if it is a file, not a directory. */
    final Handle pinFile(FuseCall call, long id) {
        Handle handle = pinHandle(call, id);
        if (handle == null || handle instanceof FileHandle) {
            return handle;
        }
        handle.unpin();
        return null;
    }

    /**
     * Makes the file of a name known; its attributes are then the thread's.
     *
     * @return node id, or a negative error number
     */
    final long lookUp(FsThread thread, Inode directory, long name) {
        FileAttributes attributes = thread.attributes();
        int result = attributes.readAt(directory.fd(), name);
        if (result < 0) {
            return result;
        }
        // an inode number is not used again while a descriptor of ours keeps the inode
        Inode known = inodes.known(attributes);
        if (known == null) {
            return lookUpNew(thread, directory, name);
        }
        known.seenAt(thread, directory.id(), name);
        return known.id();
    }

    /** The same for a file that is probably not known yet. */
    final long lookUpNew(FsThread thread, Inode directory, long name) {
        int fd = DirectoryIo.openPath(directory.fd(), name);
        return fd < 0 ? fd : know(thread, fd, directory, name);
    }

    /** The same for an O_PATH descriptor, which is taken over; {@code name} is 0 when it has none. */
    final long know(FsThread thread, int fd, Inode directory, long name) {
        FileAttributes attributes = thread.attributes();
        int result = attributes.readFd(fd);
        if (result < 0) {
            DirectoryIo.close(fd);
            return result;
        }
        server.fileSystems().met(thread, fd, attributes.device());
        Inode.Place place = name == 0 ? null : new Inode.Place(directory.id(), DirectoryIo.copyName(name));
        long id = inodes.add(fd, attributes, place);
        return id != 0 ? id : -Errno.ENFILE;
    }

    /** Answers with an entry for a name. */
    final int replyEntry(FuseCall call, Inode directory, long name) {
        long id = lookUp(call.thread, directory, name);
        if (id < 0) {
            return (int) id;
        }
        entries.entry(call.out, id, call.thread.attributes(), directory.mountId());
        return 0;
    }

    /** Becomes the sender of a request; {@link org.virtiobackend.posix.Credentials#restore} afterwards. */
    final int become(FuseCall call) {
        int uid = options.uids().toHost(call.in.uid());
        int gid = options.gids().toHost(call.in.gid());
        if (uid == IdMap.FORBIDDEN || gid == IdMap.FORBIDDEN) {
            return -Errno.EPERM;
        }
        int group = call.in.supplementaryGroup();
        return call.thread
                .credentials()
                .become(uid, gid, group == -1 ? -1 : options.gids().toHost(group));
    }

    /** Changes a file as one who may not keep set-id bits on it; {@link org.virtiobackend.posix.Credentials#restore} afterwards. */
    final void loseSetId(FuseCall call) {
        call.thread.credentials().loseSetId(-1, options.gids().toHost(call.in.gid()));
    }

    /** The same for writing to a file that is open: that asks nobody for permission, but a full disk asks who it is. */
    final void writeAsSender(FuseCall call) {
        int uid = options.uids().toHost(call.in.uid());
        call.thread.credentials().loseSetId(uid, options.gids().toHost(call.in.gid()));
    }

    /** Opens a file anew; another process's lease on it is waited for only where that is allowed, otherwise {@link FuseCall#WAIT_FOR_OTHERS}. */
    final int reopen(FuseCall call, Inode inode, int flags) {
        int fd = call.thread.proc().reopen(inode.fd(), call.mayWait ? flags : flags | FileIo.O_NONBLOCK);
        return fd == -Errno.EAGAIN && !call.mayWait ? FuseCall.WAIT_FOR_OTHERS : fd;
    }
}
