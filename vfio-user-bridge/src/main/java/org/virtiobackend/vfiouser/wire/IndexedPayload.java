package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** What messages about one of a device's regions or interrupt indexes begin with. */
abstract class IndexedPayload {
    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;
    private static final int INDEX = 8;

    ByteBuf bytes;
    int at;

    final void point(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
    }

    final void setHead(long argsz, int flags, long index) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setIntLE(at + INDEX, (int) index);
    }

    /** Unsigned 32 bits. */
    public final long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    public final int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    /** Unsigned 32 bits. */
    public final long index() {
        return bytes.getUnsignedIntLE(at + INDEX);
    }
}
