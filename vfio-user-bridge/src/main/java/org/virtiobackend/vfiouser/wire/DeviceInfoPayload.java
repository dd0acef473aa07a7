package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_GET_INFO. */
public final class DeviceInfoPayload {
    public static final int SIZE = 16;

    public static final int FLAG_RESET = 1;
    public static final int FLAG_PCI = 2;

    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;
    private static final int REGIONS = 8;
    private static final int IRQS = 12;

    private ByteBuf bytes;
    private int at;

    public DeviceInfoPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public DeviceInfoPayload set(long argsz, int flags, int regions, int irqs) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setIntLE(at + REGIONS, regions);
        bytes.setIntLE(at + IRQS, irqs);
        return this;
    }

    /** Unsigned 32 bits. */
    public long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    public int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    public int regions() {
        return bytes.getIntLE(at + REGIONS);
    }

    /** Interrupt indexes, not vectors. */
    public int irqs() {
        return bytes.getIntLE(at + IRQS);
    }
}
