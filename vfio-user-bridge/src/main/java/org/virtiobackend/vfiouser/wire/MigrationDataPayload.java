package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** MIG_DATA_READ and MIG_DATA_WRITE, the fixed part. */
public final class MigrationDataPayload {
    public static final int SIZE = 8;

    private static final int ARGSZ = 0;
    private static final int LENGTH = 4;

    private ByteBuf bytes;
    private int at;

    public MigrationDataPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public MigrationDataPayload set(long argsz, long length) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + LENGTH, (int) length);
        return this;
    }

    /** Unsigned 32 bits. */
    public long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    /** Bytes of data; the protocol calls it size. */
    public long length() {
        return bytes.getUnsignedIntLE(at + LENGTH);
    }
}
