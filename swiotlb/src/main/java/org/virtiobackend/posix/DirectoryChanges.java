package org.virtiobackend.posix;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What is changed in directories, and by whom: fanotify(7), which any user may use since Linux 5.13. Directories are told by what
 * their file system knows them by. Any thread may watch; events are read by one.
 *
 * <pre>
 * struct fanotify_event_metadata:  0 u32 event_len  6 u16 metadata_len  8 u64 mask  16 s32 fd  20 s32 pid
 * struct fanotify_event_info_fid:  0 u8 info_type  2 u16 len  4 u8 fsid[8]  12 struct file_handle, then a name
 * </pre>
 */
public final class DirectoryChanges implements AutoCloseable {
    public static final int MODIFY = 2;
    public static final int ATTRIB = 4;
    /** A name was added, taken away or moved. */
    public static final int NAMES = 0x40 | 0x80 | 0x100 | 0x200;
    /** Events were lost. */
    public static final int OVERFLOW = 0x4000;

    private static final int FAN_CLOEXEC = 1;
    private static final int FAN_NONBLOCK = 2;
    private static final int FAN_REPORT_DFID_NAME = 0xc00;
    private static final int FAN_MARK_ADD = 1;
    private static final int FAN_MARK_REMOVE = 2;
    private static final int FAN_MARK_ONLYDIR = 8;
    private static final int FAN_MARK_FLUSH = 0x80;
    private static final long FAN_EVENT_ON_CHILD = 0x0800_0000;
    private static final long FAN_ONDIR = 0x4000_0000;
    private static final long MASK = MODIFY | ATTRIB | NAMES | FAN_EVENT_ON_CHILD | FAN_ONDIR;
    private static final int AT_FDCWD = -100;
    private static final int DFID_NAME = 2;
    private static final int STATFS_FSID = 56;
    private static final int FSID_BYTES = 8;
    private static final int BUFFER = 16 << 10;

    private final Fd fd;
    private final int ownPid = (int) ProcessHandle.current().pid();
    private final NativeBuffer memory = NativeBuffer.allocate(BUFFER);
    private final ByteBuffer bytes = memory.buffer();
    private int end;
    private int event;
    private int info;
    private int nextEvent;

    private DirectoryChanges(Fd fd) {
        this.fd = fd;
    }

    /** @throws ErrnoException the kernel has no such thing for this user */
    public static DirectoryChanges open() throws ErrnoException {
        int result = FileCalls.result(FileCalls.fanotify_init(FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME, 0));
        ErrnoException.check(result, "watching directories");
        return new DirectoryChanges(Fd.adopt(result));
    }

    /** Readable when there are events; stays this object's. */
    public Fd fd() {
        return fd;
    }

    /**
     * Watches a directory.
     *
     * @param directory any descriptor of it, O_PATH ones too
     * @return what its events will carry, or null: it cannot be watched
     */
    public byte[] watch(ProcFd proc, int directory) {
        NativeBuffer status = NativeBuffer.allocate(FileSpace.STATFS_BYTES);
        byte[] handle = new FileIdentity().handleOf(directory);
        if (handle == null || FileSpace.status(directory, status) < 0) {
            return null;
        }
        int flags = FAN_MARK_ADD | FAN_MARK_ONLYDIR;
        if (FileCalls.fanotify_mark(fd.value(), flags, MASK, AT_FDCWD, proc.path(directory)) < 0) {
            return null;
        }
        byte[] key = new byte[FSID_BYTES + handle.length];
        status.buffer().get(STATFS_FSID, key, 0, FSID_BYTES);
        System.arraycopy(handle, 0, key, FSID_BYTES, handle.length);
        return key;
    }

    /** Watches it no longer. */
    public void unwatch(ProcFd proc, int directory) {
        FileCalls.fanotify_mark(fd.value(), FAN_MARK_REMOVE, MASK, AT_FDCWD, proc.path(directory));
    }

    /** Watches nothing any more. */
    public void unwatchAll() {
        FileCalls.fanotify_mark(fd.value(), FAN_MARK_FLUSH, 0, AT_FDCWD, 0);
    }

    /** Makes the next event current, if there is one; never waits. */
    public boolean next() {
        if (nextEvent >= end) {
            nextEvent = 0;
            end = (int) Math.max(0, FileCalls.read(fd.value(), memory.address(), BUFFER));
            if (end == 0) {
                return false;
            }
        }
        event = nextEvent;
        info = event + (bytes.getShort(event + 6) & 0xffff);
        nextEvent += bytes.getInt(event);
        return true;
    }

    /** {@link #MODIFY} and the like. */
    public int what() {
        return (int) bytes.getLong(event + 8);
    }

    /** Whether a thread of this process did it. */
    public boolean isOwn() {
        return bytes.getInt(event + 20) == ownPid;
    }

    /** Which directory, as {@link #watch} said, or null when it does not say. */
    public byte[] directory() {
        if (info >= nextEvent || bytes.get(info) != DFID_NAME) {
            return null;
        }
        byte[] key = new byte[name() - info - 4];
        bytes.get(info + 4, key);
        return key;
    }

    /** The name in there, NUL included; "." for the directory itself. */
    public byte[] nameBytes() {
        int from = name();
        int to = from;
        while (bytes.get(to) != 0) {
            to++;
        }
        byte[] name = new byte[to + 1 - from];
        bytes.get(from, name);
        return name;
    }

    /** Whether a name is the directory itself. */
    public static boolean isSelf(byte[] name) {
        return Arrays.equals(name, new byte[] {'.', 0});
    }

    private int name() {
        return info + 4 + FSID_BYTES + 8 + bytes.getInt(info + 4 + FSID_BYTES);
    }

    @Override
    public void close() {
        fd.close();
    }
}
