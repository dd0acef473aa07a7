package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** REGION_WRITE_MULTI: a number of entries, then so many small writes; the reply is the number. */
public final class WriteMultiPayload {
    public static final int SIZE = 8;

    public static final int ENTRY_SIZE = 24;
    /** Bytes that an entry can write. */
    public static final int ENTRY_DATA = 8;

    private static final int ENTRIES = 0;

    private ByteBuf bytes;
    private int at;

    public WriteMultiPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public WriteMultiPayload set(long entries) {
        bytes.setLongLE(at + ENTRIES, entries);
        return this;
    }

    public long entries() {
        return bytes.getLongLE(at + ENTRIES);
    }

    /** Whether so many entries are what the payload holds. */
    public boolean isValid(int payloadLength) {
        int rest = payloadLength - SIZE;
        return rest % ENTRY_SIZE == 0 && entries() == rest / ENTRY_SIZE;
    }

    /** Where an entry starts in the buffer: a {@link RegionAccessPayload} with its data in 8 bytes behind it. */
    public int entryIndex(int n) {
        return at + SIZE + n * ENTRY_SIZE;
    }
}
