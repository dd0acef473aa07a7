package org.virtiobackend.devices.fs.fuse;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.queue.ChainReader;

/**
 * A request's header and arguments as a private copy: read out of shared memory once, judged and used from here only. The
 * payload of a WRITE is not copied.
 *
 * <pre>
 * struct fuse_in_header:  0 u32 len   4 u32 opcode   8 u64 unique  16 u64 nodeid
 *                        24 u32 uid  28 u32 gid     32 u32 pid     36 u16 total_extlen (8 bytes each)
 * </pre>
 *
 * <p>Offsets of arguments count from the end of the header. One thread at a time.
 */
public final class FuseRequest {
    public static final int HEADER_BYTES = 40;
    /** Header and fixed arguments of any request that can be put off. */
    public static final int FIXED_BYTES = 128;
    /** The longest name of a directory entry. */
    public static final int NAME_MAX = 255;

    private static final int INIT = FuseOpcode.FUSE_INIT;
    /** Where the entries of a list to forget start, and the bytes of one. */
    private static final int LIST = HEADER_BYTES + 8;

    private static final int ENTRY = 16;
    /** Entries in the fixed part of a request. */
    private static final int BEGINNING = (FIXED_BYTES - LIST) / ENTRY;

    private final NativeBuffer memory;
    private final ByteBuffer bytes;
    private int length;
    /** Entries of a list that did not fit: they are still in the chain. */
    private long left;

    /** @param capacity bytes, at least {@link #FIXED_BYTES}; longer requests are refused */
    public FuseRequest(int capacity) {
        memory = NativeBuffer.allocate(capacity + 1L);
        bytes = memory.buffer().duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Takes a request out of the chain.
     *
     * @param order of the session; INIT may come in the other one: virtio 1.4 5.11.6.1
     * @return 0, or the negative error number with which to answer; {@link #unique} is 0 when there was no header
     */
    public int read(ChainReader in, ByteOrder order) {
        long available = in.remaining();
        length = (int) Math.min(available, FIXED_BYTES);
        left = 0;
        bytes.order(order);
        in.get(bytes, 0, length);
        if (length < HEADER_BYTES) {
            length = 0;
            return -EINVAL;
        }
        if (Integer.reverseBytes(opcode()) == INIT) {
            bytes.order(order == ByteOrder.LITTLE_ENDIAN ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
        }
        long said = bytes.getInt(0) & 0xffff_ffffL;
        if (said < HEADER_BYTES || said > available) {
            return -EINVAL;
        }
        int opcode = opcode();
        if (said < HEADER_BYTES + FuseOpcode.minRequestBytes(opcode)) {
            return -EINVAL;
        }
        if (opcode == FuseOpcode.FUSE_WRITE || said <= length) {
            length = (int) Math.min(said, length);
            return 0;
        }
        if (said > bytes.capacity() - 1) {
            if (opcode != FuseOpcode.FUSE_BATCH_FORGET) {
                return -E2BIG;
            }
            left = Math.min((said - length - extensionBytes()) / ENTRY, (u32(0) & 0xffff_ffffL) - BEGINNING);
            bytes.putShort(36, (short) 0); // extensions are behind the list
            return 0;
        }
        in.get(bytes, length, (int) said - length);
        length = (int) said;
        return 0;
    }

    /** Whether this is only the beginning of a list to forget: {@link #readPart} reads on. */
    public boolean isBeginning() {
        return left > 0;
    }

    /** Reads on for no more than {@code most} entries: nobody knows so many files. */
    public void limitList(long most) {
        left = Math.min(left, most);
    }

    /**
     * Becomes a request for the next part of a list to forget that is longer than any memory for requests.
     *
     * @param in where the list goes on
     * @param beginning a copy of the request that {@link #read} found; it keeps account
     * @return false when there is none
     */
    public boolean readPart(ChainReader in, FuseRequest beginning) {
        int entries = (int) Math.min(beginning.left, (bytes.capacity() - 1 - LIST) / ENTRY);
        if (entries <= 0) {
            return false;
        }
        copyFixed(beginning);
        bytes.putInt(HEADER_BYTES, entries);
        in.get(bytes, LIST, entries * ENTRY);
        length = LIST + entries * ENTRY;
        beginning.left -= entries;
        return true;
    }

    /** Becomes a copy of the fixed part of another. */
    public void copyFixed(FuseRequest other) {
        length = Math.min(other.length, FIXED_BYTES);
        left = other.left;
        bytes.order(other.bytes.order());
        bytes.put(0, other.bytes, 0, length);
    }

    public ByteOrder order() {
        return bytes.order();
    }

    public int opcode() {
        return length >= HEADER_BYTES ? bytes.getInt(4) : 0;
    }

    public long unique() {
        return length >= HEADER_BYTES ? bytes.getLong(8) : 0;
    }

    public long nodeId() {
        return bytes.getLong(16);
    }

    public int uid() {
        return bytes.getInt(24);
    }

    public int gid() {
        return bytes.getInt(28);
    }

    public int pid() {
        return bytes.getInt(32);
    }

    /** Bytes after the header, extensions not counted. */
    public int argumentBytes() {
        return Math.max(0, length - HEADER_BYTES - extensionBytes());
    }

    /** An argument of the fixed part; the size was checked when the request was read. */
    public int u32(int offset) {
        return bytes.getInt(HEADER_BYTES + offset);
    }

    public long u64(int offset) {
        return bytes.getLong(HEADER_BYTES + offset);
    }

    /** Where an argument is in memory, for system calls. */
    public long address(int offset) {
        return memory.address() + HEADER_BYTES + offset;
    }

    public byte u8(int offset) {
        return bytes.get(HEADER_BYTES + offset);
    }

    /** Bytes of the text that starts at {@code offset} and ends with a NUL, or -1 when no NUL follows. */
    public int textLength(int offset) {
        int end = argumentBytes();
        for (int at = offset; at < end; at++) {
            if (bytes.get(HEADER_BYTES + at) == 0) {
                return at - offset;
            }
        }
        return -1;
    }

    /**
     * Judges a name for one entry of a directory.
     *
     * @return its bytes, or a negative error number: a name is one component, neither "." nor ".."
     */
    public int nameLength(int offset) {
        int end = textLength(offset);
        if (end <= 0) {
            return end == 0 ? -ENOENT : -EINVAL;
        }
        if (end > NAME_MAX) {
            return -ENAMETOOLONG;
        }
        int at = HEADER_BYTES + offset;
        for (int i = 0; i < end; i++) {
            if (bytes.get(at + i) == '/') {
                return -EINVAL;
            }
        }
        boolean dots = bytes.get(at) == '.' && (end == 1 || end == 2 && bytes.get(at + 1) == '.');
        return dots ? -EINVAL : end;
    }

    /**
     * The supplementary group that the sender names for making a file: extension FUSE_EXT_GROUPS.
     *
     * @return the group, or -1 when there is none
     */
    public int supplementaryGroup() {
        int at = length - extensionBytes();
        while (at >= HEADER_BYTES && length - at >= 16) {
            int size = bytes.getInt(at);
            if (size < 8 || size > length - at) {
                return -1;
            }
            if (bytes.getInt(at + 4) == EXT_GROUPS && size >= 16 && bytes.getInt(at + 8) == 1) {
                return bytes.getInt(at + 12);
            }
            at += size;
        }
        return -1;
    }

    private int extensionBytes() {
        return length >= HEADER_BYTES ? (bytes.getShort(36) & 0xffff) * 8 : 0;
    }

    private static final int EXT_GROUPS = 32;
    private static final int ENOENT = org.virtiobackend.posix.Errno.ENOENT;
    private static final int EINVAL = org.virtiobackend.posix.Errno.EINVAL;
    private static final int E2BIG = org.virtiobackend.posix.Errno.E2BIG;
    private static final int ENAMETOOLONG = org.virtiobackend.posix.Errno.ENAMETOOLONG;
}
