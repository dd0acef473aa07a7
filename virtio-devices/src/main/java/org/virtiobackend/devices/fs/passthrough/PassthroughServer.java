package org.virtiobackend.devices.fs.passthrough;

import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.ByteOrder;
import org.virtiobackend.devices.fs.fuse.FuseInit;
import org.virtiobackend.devices.fs.fuse.FuseOpcode;
import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileAttributes;

/**
 * A FUSE session on a directory of the host: sends each request to the group of operations it belongs to. Any number of threads
 * may serve requests at a time.
 */
public final class PassthroughServer implements AutoCloseable {
    /** Most bytes of a READ or WRITE. */
    public static final int MAX_WRITE = 1 << 20;

    /** Requests that change something on the host, by number; opening is judged by its flags. */
    private static final boolean[] CHANGES = new boolean[FuseOpcode.COUNT];

    static {
        int[] changing = {
            FUSE_SETATTR,
            FUSE_SYMLINK,
            FUSE_MKNOD,
            FUSE_MKDIR,
            FUSE_UNLINK,
            FUSE_RMDIR,
            FUSE_RENAME,
            FUSE_RENAME2,
            FUSE_LINK,
            FUSE_WRITE,
            FUSE_SETXATTR,
            FUSE_REMOVEXATTR,
            FUSE_CREATE,
            FUSE_TMPFILE,
            FUSE_FALLOCATE,
            FUSE_COPY_FILE_RANGE,
            FUSE_COPY_FILE_RANGE_64
        };
        for (int opcode : changing) {
            CHANGES[opcode] = true;
        }
    }

    private final PassthroughOptions options;
    private final InodeTable inodes;
    private final SlotTable<Handle> handles;
    private final EntryWriter entries;
    private final FileSystems fileSystems;
    private final SessionOperations session;
    private final NameOperations names;
    private final CreateOperations creates;
    private final AttributeOperations attributes;
    private final FileOperations files;
    private final DirectoryOperations directories;
    private final SpaceOperations space;
    private final IoctlOperations ioctls;
    private final XattrOperations xattrs;
    private final LockOperations locks;
    private final LockOwners lockOwners;
    private final LockWaits lockWaits = new LockWaits(this);
    private final AppendOrder appendOrder = new AppendOrder();
    private volatile boolean extendedSetxattr;
    private volatile ByteOrder order = ByteOrder.LITTLE_ENDIAN;
    private volatile boolean begun;
    /** Control thread only. */
    private ChangeWatch watch;

    /**
     * @param root an O_PATH descriptor of a directory; stays the caller's
     * @throws ErrnoException it cannot be looked at
     */
    public PassthroughServer(Fd root, PassthroughOptions options) throws ErrnoException {
        this.options = options;
        FileAttributes rootAttributes = new FileAttributes();
        int result = rootAttributes.readFd(root.value());
        if (result < 0) {
            throw new ErrnoException("shared directory", -result);
        }
        this.fileSystems = new FileSystems(root.value(), rootAttributes.device());
        this.inodes = new InodeTable(
                root.duplicate().release(), rootAttributes, options.maxInodes(), options.maxOpenInodes());
        this.handles = new SlotTable<>(options.maxHandles());
        this.entries = new EntryWriter(options);
        this.lockOwners = new LockOwners(options.maxLockOwners(), options.maxLockedRanges(), options.readOnly());
        OpenFlags flags = new OpenFlags(options);
        this.session = new SessionOperations(this);
        this.names = new NameOperations(this);
        this.creates = new CreateOperations(this, flags);
        this.attributes = new AttributeOperations(this);
        this.files = new FileOperations(this, flags);
        this.directories = new DirectoryOperations(this);
        this.space = new SpaceOperations(this);
        this.ioctls = new IoctlOperations(this);
        this.xattrs = new XattrOperations(this);
        this.locks = new LockOperations(this);
    }

    /**
     * Serves one request.
     *
     * @return bytes of the reply that stand in the chain after its header already, the rest being in the thread's reply; or a
     *     negative error number to answer with, or {@link FuseCall#WAIT} and the like
     */
    public int serve(FuseCall call) {
        int opcode = call.in.opcode();
        if (!begun && opcode != FUSE_INIT) {
            return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET ? FuseCall.NO_REPLY : -Errno.ENOTCONN;
        }
        if (options.readOnly() && opcode > 0 && opcode < CHANGES.length && CHANGES[opcode]) {
            return -Errno.EROFS;
        }
        try {
            return dispatch(call, opcode);
        } finally {
            call.thread.credentials().restore(); // whatever happened: the thread serves others next
        }
    }

    private int dispatch(FuseCall call, int opcode) {
        return switch (opcode) {
            case FUSE_LOOKUP -> names.lookup(call);
            case FUSE_FORGET -> names.forget(call);
            case FUSE_BATCH_FORGET -> names.batchForget(call);
            case FUSE_GETATTR -> attributes.getattr(call);
            case FUSE_SETATTR -> attributes.setattr(call);
            case FUSE_STATX -> attributes.statx(call);
            case FUSE_READLINK -> names.readlink(call);
            case FUSE_SYMLINK -> creates.symlink(call);
            case FUSE_MKNOD -> creates.mknod(call);
            case FUSE_MKDIR -> creates.mkdir(call);
            case FUSE_UNLINK -> names.remove(call, false);
            case FUSE_RMDIR -> names.remove(call, true);
            case FUSE_RENAME -> names.rename(call, 8);
            case FUSE_RENAME2 -> names.rename(call, 16);
            case FUSE_LINK -> names.link(call);
            case FUSE_OPEN -> files.open(call);
            case FUSE_CREATE -> creates.create(call);
            case FUSE_TMPFILE -> creates.tmpfile(call);
            case FUSE_READ -> files.read(call);
            case FUSE_WRITE -> files.write(call);
            case FUSE_FLUSH -> files.flush(call);
            case FUSE_RELEASE -> files.release(call);
            case FUSE_FSYNC, FUSE_FSYNCDIR -> files.fsync(call);
            case FUSE_OPENDIR -> directories.opendir(call);
            case FUSE_READDIR -> directories.readdir(call, false);
            case FUSE_READDIRPLUS -> directories.readdir(call, true);
            case FUSE_RELEASEDIR -> directories.releasedir(call);
            case FUSE_ACCESS -> attributes.access(call);
            case FUSE_STATFS -> attributes.statfs(call);
            case FUSE_SYNCFS -> space.syncfs(call);
            case FUSE_LSEEK -> space.lseek(call);
            case FUSE_FALLOCATE -> space.fallocate(call);
            case FUSE_COPY_FILE_RANGE -> space.copyFileRange(call, false);
            case FUSE_COPY_FILE_RANGE_64 -> space.copyFileRange(call, true);
            case FUSE_POLL -> space.poll(call);
            case FUSE_IOCTL -> ioctls.ioctl(call);
            case FUSE_GETXATTR -> xattrs.get(call);
            case FUSE_LISTXATTR -> xattrs.list(call);
            case FUSE_SETXATTR -> xattrs.set(call);
            case FUSE_REMOVEXATTR -> xattrs.remove(call);
            case FUSE_GETLK -> locks.get(call);
            case FUSE_SETLK -> locks.set(call, false);
            case FUSE_SETLKW -> locks.set(call, true);
            case FUSE_INTERRUPT -> session.interrupt(call);
            case FUSE_INIT -> session.init(call);
            case FUSE_DESTROY -> session.destroy();
            default -> -Errno.ENOSYS;
        };
    }

    /** Takes over a request that {@link #serve} answered with {@link FuseCall#AWAIT_LOCK}; it is answered later. */
    public void awaitLock(LockWait wait) {
        lockWaits.add(wait);
    }

    /** Where a request goes that {@link #serve} answered with {@link FuseCall#WAIT_IN_ORDER}. */
    public AppendOrder appendOrder() {
        return appendOrder;
    }

    /** Ends all waiting for locks with an error: the buffers of the requests have to go back. */
    public void endWaits() {
        lockWaits.endAll();
    }

    /** Byte order of the session: virtio 1.4 5.11.6.1. */
    public ByteOrder order() {
        return order;
    }

    /** Most files that a driver may know. */
    public int maxInodes() {
        return options.maxInodes();
    }

    /** Files that the driver knows. */
    public int inodeCount() {
        return inodes.count();
    }

    /** Descriptors that these take. */
    public int openInodeCount() {
        return inodes.openCount();
    }

    /** Files and directories that the driver has open. */
    public int handleCount() {
        return handles.count();
    }

    /** Memory that open directories take. */
    public long readAheadBytes() {
        return directories.readAheadBytes();
    }

    /**
     * Watches the directories that the driver knows, until {@link #endWatch}.
     *
     * @param alone whether all that this process changes is changed by this driver
     * @throws ErrnoException the kernel cannot do that for this user
     */
    public ChangeWatch beginWatch(boolean alone) throws ErrnoException {
        endWatch();
        watch = new ChangeWatch(inodes, alone, options.maxOpenInodes() / 2);
        inodes.setWatch(watch);
        return watch;
    }

    /** Nobody reads what is watched any more. */
    public void endWatch() {
        if (watch != null) {
            inodes.setWatch(null);
            watch.close();
            watch = null;
        }
    }

    /** Directories that are watched. */
    public int watchedCount() {
        return watch == null ? 0 : watch.count();
    }

    /** Forgets the driver. */
    public void end() {
        begun = false;
        lockWaits.endAll();
        lockOwners.clear();
        handles.clear();
        inodes.clear();
    }

    @Override
    public void close() {
        begun = false;
        endWatch();
        lockWaits.close();
        lockOwners.clear();
        handles.clear();
        inodes.close();
    }

    void begin(ByteOrder newOrder, long flags) {
        end();
        order = newOrder;
        extendedSetxattr = (flags & FuseInit.FUSE_SETXATTR_EXT) != 0;
        begun = true;
    }

    PassthroughOptions options() {
        return options;
    }

    InodeTable inodes() {
        return inodes;
    }

    SlotTable<Handle> handles() {
        return handles;
    }

    EntryWriter entries() {
        return entries;
    }

    XattrOperations xattrs() {
        return xattrs;
    }

    LockOwners lockOwners() {
        return lockOwners;
    }

    LockWaits lockWaits() {
        return lockWaits;
    }

    /** Tries again for a request that waits. */
    int tryLock(FuseCall call) {
        return locks.set(call, true);
    }

    boolean hasExtendedSetxattr() {
        return extendedSetxattr;
    }

    FileOperations files() {
        return files;
    }

    /** Whether reading never waits for a disk. */
    boolean isInMemory() {
        return fileSystems.rootIsInMemory();
    }

    /** Whether requests about names and attributes are answered by this machine alone. */
    public boolean isPrompt() {
        return fileSystems.areLocal();
    }

    FileSystems fileSystems() {
        return fileSystems;
    }

    /** The node id of the entry that a reply begins with. */
    static long nodeIdOfEntry(FuseReply reply) {
        return reply.u64At(0);
    }
}
