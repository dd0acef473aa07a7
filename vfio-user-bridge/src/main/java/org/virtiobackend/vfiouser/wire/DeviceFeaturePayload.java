package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_FEATURE, the fixed part. */
public final class DeviceFeaturePayload {
    public static final int SIZE = 8;

    public static final int FEATURE_MASK = 0xffff;
    public static final int FLAG_GET = 0x10000;
    public static final int FLAG_SET = 0x20000;
    public static final int FLAG_PROBE = 0x40000;

    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;

    private ByteBuf bytes;
    private int at;

    public DeviceFeaturePayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public DeviceFeaturePayload set(long argsz, int flags) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        return this;
    }

    /** Unsigned 32 bits. */
    public long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    public int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    /** Whether argsz is large enough and at least one operation is asked for. */
    public boolean isValid() {
        int flags = flags();
        boolean operation = (flags & (FLAG_GET | FLAG_SET | FLAG_PROBE)) != 0;
        return argsz() >= SIZE && operation && (flags & ~(FEATURE_MASK | FLAG_GET | FLAG_SET | FLAG_PROBE)) == 0;
    }
}
