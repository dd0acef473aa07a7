package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DMA_MAP: a range of the client's DMA space, with the file behind it or none. */
public final class DmaMapPayload {
    public static final int SIZE = 32;

    public static final int FLAG_READ = 1;
    public static final int FLAG_WRITE = 2;
    /** Wants the descriptor mapped, as we always do (libvfio-user only). */
    public static final int FLAG_MMAP = 4;

    private static final int ARGSZ = 0;
    private static final int FLAGS = 4;
    private static final int FILE_OFFSET = 8;
    private static final int ADDRESS = 16;
    private static final int LENGTH = 24;

    private ByteBuf bytes;
    private int at;

    public DmaMapPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public DmaMapPayload set(long argsz, int flags, long fileOffset, long address, long length) {
        bytes.setIntLE(at + ARGSZ, (int) argsz);
        bytes.setIntLE(at + FLAGS, flags);
        bytes.setLongLE(at + FILE_OFFSET, fileOffset);
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

    /** Bytes into the file that came along. */
    public long fileOffset() {
        return bytes.getLongLE(at + FILE_OFFSET);
    }

    public long address() {
        return bytes.getLongLE(at + ADDRESS);
    }

    /** Bytes; the protocol calls it size. */
    public long length() {
        return bytes.getLongLE(at + LENGTH);
    }

    /** Whether argsz and flags are ones that exist. */
    public boolean isValid(boolean hasFd) {
        int flags = flags();
        boolean known = (flags & ~(FLAG_READ | FLAG_WRITE | FLAG_MMAP)) == 0;
        return argsz() >= SIZE && known && (hasFd || (flags & FLAG_MMAP) == 0);
    }
}
