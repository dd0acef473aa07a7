package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_GET_IRQ_INFO. */
public final class IrqInfoPayload {
    public static final int SIZE = 16;

    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;
    private static final int INDEX = 8;
    private static final int COUNT = 12;

    private ByteBuf bytes;
    private int at;

    public IrqInfoPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public IrqInfoPayload set(long argsz, int flags, long index, long count) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setIntLE(at + INDEX, (int) index);
        bytes.setIntLE(at + COUNT, (int) count);
        return this;
    }

    /** Unsigned 32 bits. */
    public long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    /** As in {@link Irq}. */
    public int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    /** Unsigned 32 bits. */
    public long index() {
        return bytes.getUnsignedIntLE(at + INDEX);
    }

    /** Vectors of the index. */
    public long count() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }
}
