package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DMA_UNMAP: a range to remove, or everything. */
public final class DmaUnmapPayload {
    public static final int SIZE = 24;

    /** Wants the dirty pages of the range back (libvfio-user only). */
    public static final int FLAG_DIRTY_BITMAP = 1;
    /** Removes every range; address and size are 0. */
    public static final int FLAG_ALL = 2;

    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;
    private static final int ADDRESS = 8;
    private static final int LENGTH = 16;

    private ByteBuf bytes;
    private int at;

    public DmaUnmapPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public DmaUnmapPayload set(long argsz, int flags, long address, long length) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setLongLE(at + ADDRESS, address);
        bytes.setLongLE(at + LENGTH, length);
        return this;
    }

    /** Unsigned 32 bits. */
    public long argsz() {
        return bytes.getUnsignedIntLE(at + ARGSZ);
    }

    public int flags() {
        return bytes.getIntLE(at + FLAGS);
    }

    public long address() {
        return bytes.getLongLE(at + ADDRESS);
    }

    /** Bytes; the protocol calls it size. */
    public long length() {
        return bytes.getLongLE(at + LENGTH);
    }

    /** Whether argsz and flags are ones that we can serve: there is no dirty tracking. */
    public boolean isValid() {
        boolean argszValid = argsz() >= SIZE && argsz() <= Limits.MAX_ARGSZ;
        return argszValid && (flags() == 0 || isAll() && address() == 0 && length() == 0);
    }

    public boolean isAll() {
        return flags() == FLAG_ALL;
    }
}
