package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.posix.FileAttributes;

/** Writes what a driver is told of a file: {@code fuse_attr}, {@code fuse_entry_out}, {@code fuse_attr_out}. */
final class EntryWriter {
    private static final int FUSE_ATTR_SUBMOUNT = 1;

    private final PassthroughOptions options;

    EntryWriter(PassthroughOptions options) {
        this.options = options;
    }

    /** @param mountId of the directory it is in, by which a submount is told; 0 when it cannot be one */
    void entry(FuseReply out, long nodeId, FileAttributes attributes, long mountId) {
        long seconds = options.cache().seconds();
        out.u64(nodeId).u64(0).u64(seconds).u64(seconds).u32(0).u32(0);
        boolean submount = mountId != 0
                && options.submounts()
                && attributes.type() == FileAttributes.S_IFDIR
                && attributes.mountId() != mountId;
        attributes(out, attributes, submount ? FUSE_ATTR_SUBMOUNT : 0);
    }

    void attrOut(FuseReply out, FileAttributes attributes) {
        out.u64(options.cache().seconds()).u32(0).u32(0);
        attributes(out, attributes, 0);
    }

    /** A directory entry about which nothing is said but its name. */
    void noEntry(FuseReply out) {
        out.zeros(FuseReply.ENTRY_BYTES);
    }

    /** @param flags as the driver asked for; all that the host knows is told */
    void statxOut(FuseReply out, FileAttributes from) {
        out.u64(options.cache().seconds()).u32(0).u32(0).u64(0).u64(0);
        out.u32(from.mask() & (FileAttributes.STATX_BASIC_STATS | FileAttributes.STATX_BTIME))
                .u32(from.blockSize())
                .u64(from.attributes());
        out.u32(from.links())
                .u32(options.uids().toGuest(from.uid()))
                .u32(options.gids().toGuest(from.gid()));
        out.u16(from.mode()).u16(0).u64(from.inode()).u64(from.size()).u64(from.blocks());
        out.u64(from.attributesMask());
        out.u64(from.accessSeconds()).u32(from.accessNanos()).u32(0);
        out.u64(from.birthSeconds()).u32(from.birthNanos()).u32(0);
        out.u64(from.changeSeconds()).u32(from.changeNanos()).u32(0);
        out.u64(from.modifySeconds()).u32(from.modifyNanos()).u32(0);
        out.u32(from.rdevMajor()).u32(from.rdevMinor());
        out.u32((int) (from.device() >>> 32)).u32((int) from.device());
        out.zeros(14 * Long.BYTES);
    }

    private void attributes(FuseReply out, FileAttributes from, int flags) {
        out.u64(from.inode()).u64(from.size()).u64(from.blocks());
        out.u64(from.accessSeconds()).u64(from.modifySeconds()).u64(from.changeSeconds());
        out.u32(from.accessNanos()).u32(from.modifyNanos()).u32(from.changeNanos());
        out.u32(from.mode())
                .u32(from.links())
                .u32(options.uids().toGuest(from.uid()))
                .u32(options.gids().toGuest(from.gid()));
        out.u32(encodeDevice(from.rdevMajor(), from.rdevMinor()))
                .u32(from.blockSize())
                .u32(flags);
    }

    /** As the kernel encodes a device number in 32 bits. */
    static int encodeDevice(int major, int minor) {
        return minor & 0xff | major << 8 | (minor & ~0xff) << 12;
    }

    /** From the kernel's 32 bits to makedev(3)'s 64. */
    static long decodeDevice(int encoded) {
        long major = encoded >>> 8 & 0xfff;
        long minor = encoded & 0xff | encoded >>> 12 & 0xfff00;
        return (major & 0xfff) << 8 | minor & 0xff | (minor & ~0xffL) << 12;
    }
}
