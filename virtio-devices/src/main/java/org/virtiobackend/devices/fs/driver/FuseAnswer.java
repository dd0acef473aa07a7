package org.virtiobackend.devices.fs.driver;

import java.nio.ByteBuffer;

/**
 * A reply, copied out of shared memory.
 *
 * @param error 0, or a negative error number
 * @param body what follows the header, in the session's byte order, from position 0 to its limit
 * @param length what the header says of the length, header included
 * @param usedLength what the ring says
 */
public record FuseAnswer(long unique, int error, ByteBuffer body, long length, long usedLength) {
    public int u32(int offset) {
        return body.getInt(offset);
    }

    public long u64(int offset) {
        return body.getLong(offset);
    }

    /** The body from {@code offset} on. */
    public byte[] bytes(int offset) {
        byte[] copy = new byte[body.limit() - offset];
        body.get(offset, copy);
        return copy;
    }
}
