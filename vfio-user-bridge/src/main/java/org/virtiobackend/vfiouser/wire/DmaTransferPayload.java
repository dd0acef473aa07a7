package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DMA_READ and DMA_WRITE, the fixed part; data follows it. */
public final class DmaTransferPayload {
    public static final int SIZE = 16;
    /** Where the data starts in the layout that QEMU before 11 speaks: its count has 32 bits. */
    public static final int COUNT32_DATA = 12;
    /** A DMA_WRITE reply as the specification's table has it: the address and a 32-bit count. */
    public static final int SHORT_WRITE_REPLY = 12;

    private static final int ADDRESS = 0;
    private static final int COUNT = 8;

    private ByteBuf bytes;
    private int at;

    public DmaTransferPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public DmaTransferPayload set(long address, long count) {
        bytes.setLongLE(at + ADDRESS, address);
        bytes.setLongLE(at + COUNT, count);
        return this;
    }

    /** The older layout, without touching what stands where the data starts. */
    public DmaTransferPayload setCount32(long address, int count) {
        bytes.setLongLE(at + ADDRESS, address);
        bytes.setIntLE(at + COUNT, count);
        return this;
    }

    public long address() {
        return bytes.getLongLE(at + ADDRESS);
    }

    /** Bytes; 64 bits. */
    public long count() {
        return bytes.getLongLE(at + COUNT);
    }

    /** Bytes, in the older layout. */
    public long count32() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }

    /** Whether this is the answer to a read of that range with all its data. */
    public boolean isReadReply(int payloadLength, long address, int count) {
        return payloadLength == SIZE + count && address() == address && count() == count;
    }

    /** Whether this is the answer to a write of that range, in any of the three forms that peers send. */
    public boolean isWriteReply(int payloadLength, long address, int count) {
        return switch (payloadLength) {
            case 0 -> true;
            case SHORT_WRITE_REPLY -> address() == address && count32() == count;
            case SIZE -> address() == address && count() == count;
            default -> false;
        };
    }
}
