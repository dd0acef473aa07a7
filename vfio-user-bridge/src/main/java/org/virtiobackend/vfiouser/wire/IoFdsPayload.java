package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_GET_REGION_IO_FDS, the fixed part. */
public final class IoFdsPayload extends IndexedPayload {
    public static final int SIZE = 16;

    private static final int COUNT = 12;

    public IoFdsPayload wrap(ByteBuf newBytes, int index) {
        point(newBytes, index);
        return this;
    }

    public IoFdsPayload set(long argsz, int flags, long index, long count) {
        setHead(argsz, flags, index);
        bytes.setIntLE(at + COUNT, (int) count);
        return this;
    }

    /** Entries that follow; 0 in a request. */
    public long count() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }

    /** Whether a request is well-formed, the region aside. */
    public boolean isValidRequest() {
        return argsz() >= SIZE && argsz() <= Limits.MAX_ARGSZ && flags() == 0 && count() == 0;
    }
}
