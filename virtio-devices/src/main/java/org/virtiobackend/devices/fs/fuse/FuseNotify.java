package org.virtiobackend.devices.fs.fuse;

import java.nio.ByteBuffer;

/** Notifications: what a file system tells its driver without being asked. Each answers with its code. */
public final class FuseNotify {
    public static final int FUSE_NOTIFY_INVAL_INODE = 2;
    public static final int FUSE_NOTIFY_INVAL_ENTRY = 3;

    private static final int ENTRY_BYTES = 16;
    /** The longest there is: header, {@code struct fuse_notify_inval_entry_out}, a name and its NUL. */
    public static final int MAX_BYTES = FuseReply.HEADER_BYTES + ENTRY_BYTES + FuseRequest.NAME_MAX + 1;

    private static final long ATTRIBUTES_ONLY = -1;

    private FuseNotify() {}

    /** A file is not as it was; with {@code data} its content neither. */
    public static int invalidateInode(FuseReply out, long node, boolean data) {
        out.u64(node).u64(data ? 0 : ATTRIBUTES_ONLY).u64(0); // from there to the end
        return FUSE_NOTIFY_INVAL_INODE;
    }

    /** A name in a directory may mean something else now. */
    public static int invalidateEntry(FuseReply out, long directory, byte[] name) {
        out.u64(directory).u32(name.length - 1).u32(0).put(ByteBuffer.wrap(name), 0, name.length);
        return FUSE_NOTIFY_INVAL_ENTRY;
    }
}
