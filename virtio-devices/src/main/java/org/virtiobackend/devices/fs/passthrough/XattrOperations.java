package org.virtiobackend.devices.fs.passthrough;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ExtendedAttributes;
import org.virtiobackend.posix.NativeBuffer;

/** Extended attributes: GETXATTR, LISTXATTR, SETXATTR, REMOVEXATTR, under their names or a prefix. */
final class XattrOperations extends Operations {
    private static final int NAME_MAX = 255;
    private static final int SIZE_MAX = 64 << 10;
    private static final int FUSE_SETXATTR_ACL_KILL_SGID = 1;
    /** The server may change what is behind these names (system.nfs4_acl) as the guest's users may not, and their kernel does not ask. */
    private static final byte[] SYSTEM = "system.".getBytes(StandardCharsets.US_ASCII);

    private static final byte[] ACL = "system.posix_acl_".getBytes(StandardCharsets.US_ASCII);
    private static final byte[] CAPABILITY = "security.capability".getBytes(StandardCharsets.US_ASCII);

    private final XattrMap map;
    private final boolean acl;
    /** The host's name of the capability, NUL-terminated, when it has another one there; otherwise empty. */
    private final byte[] mappedCapability;

    XattrOperations(PassthroughServer server) {
        super(server);
        this.map = options.xattrMap();
        this.acl = options.servesAcl();
        byte[] prefix = map.prefixOf(CAPABILITY);
        this.mappedCapability = new byte[prefix.length == 0 ? 0 : prefix.length + CAPABILITY.length + 1];
        if (prefix.length > 0) {
            System.arraycopy(prefix, 0, mappedCapability, 0, prefix.length);
            System.arraycopy(CAPABILITY, 0, mappedCapability, prefix.length, CAPABILITY.length);
        }
    }

    int get(FuseCall call) {
        long name = name(call, 8);
        if (name < 0) {
            return (int) name;
        }
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int wanted = call.in.u32(0);
            int room = wanted == 0 ? 0 : call.roomFor(wanted);
            if (room == 0 && wanted != 0) {
                return -Errno.ERANGE;
            }
            int size = ExtendedAttributes.get(call.thread.proc(), inode.fd(), name, call.out.address(), room);
            return reply(call, wanted, size);
        } finally {
            inode.unpin();
        }
    }

    int list(FuseCall call) {
        if (!options.xattr()) {
            return -Errno.ENOSYS;
        }
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            int wanted = call.in.u32(0);
            int room = wanted == 0 ? 0 : call.roomFor(wanted);
            if (room == 0 && wanted != 0) {
                return -Errno.ERANGE;
            }
            return reply(call, wanted, listMapped(call, inode, room));
        } finally {
            inode.unpin();
        }
    }

    int set(FuseCall call) {
        FuseRequest in = call.in;
        int nameAt = server.hasExtendedSetxattr() ? 16 : 8;
        long name = name(call, nameAt);
        if (name < 0) {
            return (int) name;
        }
        int valueAt = nameAt + in.textLength(nameAt) + 1;
        long size = in.u32(0) & 0xffff_ffffL;
        if (size > SIZE_MAX) {
            return -Errno.E2BIG;
        }
        if (size > in.argumentBytes() - valueAt) {
            return -Errno.EINVAL;
        }
        Inode inode = inodes.pin(in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            if (nameAt == 16 && (in.u32(8) & FUSE_SETXATTR_ACL_KILL_SGID) != 0) {
                loseSetId(call);
            }
            return ExtendedAttributes.set(
                    call.thread.proc(), inode.fd(), name, in.address(valueAt), (int) size, in.u32(4));
        } finally {
            call.thread.credentials().restore();
            inode.unpin();
        }
    }

    int remove(FuseCall call) {
        long name = name(call, 0);
        if (name < 0) {
            return (int) name;
        }
        Inode inode = inodes.pin(call.in.nodeId());
        if (inode == null) {
            return -Errno.ESTALE;
        }
        try {
            return ExtendedAttributes.remove(call.thread.proc(), inode.fd(), name);
        } finally {
            inode.unpin();
        }
    }

    /** The host drops security.capability of a file that changes; under another name that is up to us. Always 0. */
    int dropMappedCapability(FsThread thread, Inode inode) {
        if (mappedCapability.length > 0) {
            thread.scratch().buffer().put(0, mappedCapability);
            ExtendedAttributes.remove(
                    thread.proc(), inode.fd(), thread.scratch().address());
        }
        return 0;
    }

    private static int reply(FuseCall call, int wanted, int size) {
        if (size < 0) {
            return size;
        }
        if (wanted == 0) {
            if (call.room() < 8) {
                return -Errno.EINVAL;
            }
            call.out.u32(size).u32(0);
        } else {
            call.out.filled(size);
        }
        return 0;
    }

    /** Where the host's name of the attribute is, or a negative error number. */
    private long name(FuseCall call, int at) {
        if (!options.xattr()) {
            return -Errno.ENOSYS;
        }
        int length = call.in.textLength(at);
        if (length <= 0 || length > NAME_MAX) {
            return length < 0 ? -Errno.EINVAL : -Errno.ERANGE;
        }
        boolean isAcl = startsWith(call.in, at, ACL);
        XattrMap.Rule rule = map.ofGuest(call.in, at);
        boolean asItIs = rule == null || rule.kind() == XattrMap.Kind.OK;
        if (isAcl ? !acl : asItIs && startsWith(call.in, at, SYSTEM)) {
            return -Errno.EOPNOTSUPP;
        }
        if (asItIs) {
            return call.in.address(at);
        }
        if (rule.kind() != XattrMap.Kind.PREFIX) {
            return rule.kind() == XattrMap.Kind.BAD ? -Errno.EPERM : -Errno.EOPNOTSUPP;
        }
        byte[] prefix = rule.prepend();
        if (prefix.length + length > NAME_MAX) {
            return -Errno.ERANGE;
        }
        ByteBuffer bytes = call.thread.scratch().buffer();
        bytes.put(0, prefix);
        for (int i = 0; i <= length; i++) {
            bytes.put(prefix.length + i, call.in.u8(at + i));
        }
        return call.thread.scratch().address();
    }

    private static boolean startsWith(FuseRequest in, int at, byte[] text) {
        for (int i = 0; i < text.length; i++) {
            if (in.u8(at + i) != text[i]) {
                return false;
            }
        }
        return true;
    }

    private static boolean startsWith(ByteBuffer names, int at, byte[] text) {
        for (int i = 0; i < text.length; i++) {
            if (names.get(at + i) != text[i]) { // a NUL ends the name at the latest
                return false;
            }
        }
        return true;
    }

    /** Names as the guest has them, those that it is to see; returns their bytes. */
    private int listMapped(FuseCall call, Inode inode, int room) {
        NativeBuffer list = call.thread.list();
        int bytes = ExtendedAttributes.list(call.thread.proc(), inode.fd(), list.address(), list.size());
        ByteBuffer names = list.buffer();
        int total = 0;
        int end;
        for (int at = 0; at < bytes; at = end) {
            end = at;
            while (names.get(end++) != 0) {}
            XattrMap.Rule rule = map.ofHost(names, at);
            boolean mapped = rule != null && rule.kind() == XattrMap.Kind.PREFIX;
            int skipped = mapped ? rule.prepend().length : 0;
            int length = end - at - skipped;
            boolean hidden = rule != null && !mapped && rule.kind() != XattrMap.Kind.OK;
            boolean isAcl = startsWith(names, at + skipped, ACL);
            if (length <= 1 || hidden || (isAcl ? !acl : !mapped && startsWith(names, at, SYSTEM))) {
                continue;
            }
            if (room > 0) {
                if (total + length > room) {
                    return -Errno.ERANGE;
                }
                call.out.putAt(total, names, at + skipped, length);
            }
            total += length;
        }
        return Math.min(bytes, 0) < 0 ? bytes : total;
    }
}
