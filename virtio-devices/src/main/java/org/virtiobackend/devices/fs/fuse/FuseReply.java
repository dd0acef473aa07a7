package org.virtiobackend.devices.fs.fuse;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.queue.ChainWriter;

/**
 * A reply being built: body first, then its header, then one copy into the chain. One thread at a time.
 *
 * <pre>
 * struct fuse_out_header: 0 u32 len  4 i32 error  8 u64 unique
 * </pre>
 */
public final class FuseReply {
    public static final int HEADER_BYTES = 16;
    public static final int ENTRY_BYTES = 128;
    public static final int ATTR_OUT_BYTES = 104;
    public static final int OPEN_OUT_BYTES = 16;
    public static final int STATX_OUT_BYTES = 288;

    private final NativeBuffer memory;
    private final ByteBuffer bytes;
    private int position;

    /** @param capacity bytes of the longest body */
    public FuseReply(int capacity) {
        memory = NativeBuffer.allocate(HEADER_BYTES + (long) capacity);
        bytes = memory.buffer().duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }

    /** Starts over, in a session's byte order. */
    public void begin(ByteOrder order) {
        bytes.order(order);
        position = HEADER_BYTES;
    }

    /** Bytes of the body so far. */
    public int length() {
        return position - HEADER_BYTES;
    }

    /** Most bytes of a body. */
    public int capacity() {
        return bytes.capacity() - HEADER_BYTES;
    }

    public FuseReply u16(int value) {
        bytes.putShort(position, (short) value);
        position += 2;
        return this;
    }

    public FuseReply u32(int value) {
        bytes.putInt(position, value);
        position += 4;
        return this;
    }

    public FuseReply u64(long value) {
        bytes.putLong(position, value);
        position += 8;
        return this;
    }

    public FuseReply zeros(int count) {
        for (int i = 0; i < count; i++) {
            bytes.put(position++, (byte) 0);
        }
        return this;
    }

    public FuseReply put(ByteBuffer source, int offset, int length) {
        bytes.put(position, source, offset, length);
        position += length;
        return this;
    }

    /** Puts bytes {@code ahead} of the end, for {@link #filled}. */
    public void putAt(int ahead, ByteBuffer source, int offset, int length) {
        bytes.put(position + ahead, source, offset, length);
    }

    public boolean isLittleEndian() {
        return bytes.order() == ByteOrder.LITTLE_ENDIAN;
    }

    /** Takes bytes that a system call has put at {@link #address}. */
    public FuseReply filled(int count) {
        position += count;
        return this;
    }

    /** Goes back to a length that it had before. */
    public void truncate(int length) {
        position = HEADER_BYTES + length;
    }

    /** Where the next byte of the body comes to stand, for system calls. */
    public long address() {
        return memory.address() + position;
    }

    /** A part of the body so far, for looking at it again. */
    public long u64At(int offset) {
        return bytes.getLong(HEADER_BYTES + offset);
    }

    /**
     * Copies header and body into the chain.
     *
     * @param more bytes of the body that follow in the chain already
     * @return bytes of the whole reply
     */
    public long send(ChainWriter out, long unique, int error, long more) {
        if (error != 0) {
            position = HEADER_BYTES;
        }
        return finish(out, unique, error, more);
    }

    /** The same for a notification, which has its code in place of an error and no number. */
    public long sendNotification(ChainWriter out, int code) {
        return finish(out, 0, code, 0);
    }

    private long finish(ChainWriter out, long unique, int error, long more) {
        long total = position + more;
        bytes.putInt(0, (int) total);
        bytes.putInt(4, error);
        bytes.putLong(8, unique);
        out.put(bytes, 0, position);
        return total;
    }
}
