package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_GET_REGION_INFO, the fixed part; capabilities may follow it. */
public final class RegionInfoPayload extends IndexedPayload {
    public static final int SIZE = 32;

    public static final int FLAG_READ = 1;
    public static final int FLAG_WRITE = 2;
    public static final int FLAG_MMAP = 4;
    public static final int FLAG_CAPABILITIES = 8;

    private static final int CAPABILITY_OFFSET = 12;
    private static final int LENGTH = 16;
    private static final int FILE_OFFSET = 24;

    public RegionInfoPayload wrap(ByteBuf newBytes, int index) {
        point(newBytes, index);
        return this;
    }

    public RegionInfoPayload set(
            long argsz, int flags, long index, long capabilityOffset, long length, long fileOffset) {
        setHead(argsz, flags, index);
        bytes.setIntLE(at + CAPABILITY_OFFSET, (int) capabilityOffset);
        bytes.setLongLE(at + LENGTH, length);
        bytes.setLongLE(at + FILE_OFFSET, fileOffset);
        return this;
    }

    /** Bytes from the start of this payload; 0 for none. */
    public long capabilityOffset() {
        return bytes.getUnsignedIntLE(at + CAPABILITY_OFFSET);
    }

    /** Bytes of the region. */
    public long length() {
        return bytes.getLongLE(at + LENGTH);
    }

    /** Where the region starts in the file that comes along. */
    public long fileOffset() {
        return bytes.getLongLE(at + FILE_OFFSET);
    }
}
