package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** REGION_READ and REGION_WRITE, the fixed part; data follows it. */
public final class RegionAccessPayload {
    public static final int SIZE = 16;

    private static final int OFFSET = 0;
    private static final int REGION = 8;
    private static final int COUNT = 12;

    private ByteBuf bytes;
    private int at;

    public RegionAccessPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public RegionAccessPayload set(long offset, long region, long count) {
        bytes.setLongLE(at + OFFSET, offset);
        bytes.setIntLE(at + REGION, (int) region);
        bytes.setIntLE(at + COUNT, (int) count);
        return this;
    }

    /** Bytes into the region, unsigned. */
    public long offset() {
        return bytes.getLongLE(at + OFFSET);
    }

    /** Unsigned 32 bits. */
    public long region() {
        return bytes.getUnsignedIntLE(at + REGION);
    }

    /** Bytes of data; unsigned 32 bits. */
    public long count() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }

    /** Whether the range lies in a region of this size and keeps the limit of a transfer. */
    public boolean isInside(long regionSize) {
        long offset = offset();
        long count = count();
        return count <= Limits.MAX_DATA_TRANSFER && offset >= 0 && offset <= regionSize && count <= regionSize - offset;
    }
}
