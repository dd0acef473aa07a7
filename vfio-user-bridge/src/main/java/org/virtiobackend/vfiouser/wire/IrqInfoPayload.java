package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_GET_IRQ_INFO. */
public final class IrqInfoPayload extends IndexedPayload {
    public static final int SIZE = 16;

    private static final int COUNT = 12;

    public IrqInfoPayload wrap(ByteBuf newBytes, int index) {
        point(newBytes, index);
        return this;
    }

    public IrqInfoPayload set(long argsz, int flags, long index, long count) {
        setHead(argsz, flags, index);
        bytes.setIntLE(at + COUNT, (int) count);
        return this;
    }

    /** Vectors of the index. */
    public long count() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }
}
