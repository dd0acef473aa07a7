package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** DEVICE_SET_IRQS, the fixed part; one byte per vector may follow it. */
public final class SetIrqsPayload extends IndexedPayload {
    public static final int SIZE = 20;

    public static final int DATA_NONE = 1;
    public static final int DATA_BOOL = 2;
    public static final int DATA_EVENTFD = 4;
    public static final int ACTION_MASK = 8;
    public static final int ACTION_UNMASK = 0x10;
    public static final int ACTION_TRIGGER = 0x20;

    private static final int DATA = DATA_NONE | DATA_BOOL | DATA_EVENTFD;
    private static final int ACTION = ACTION_MASK | ACTION_UNMASK | ACTION_TRIGGER;

    private static final int START = 12;
    private static final int COUNT = 16;

    public SetIrqsPayload wrap(ByteBuf newBytes, int index) {
        point(newBytes, index);
        return this;
    }

    public SetIrqsPayload set(long argsz, int flags, long index, long start, long count) {
        setHead(argsz, flags, index);
        bytes.setIntLE(at + START, (int) start);
        bytes.setIntLE(at + COUNT, (int) count);
        return this;
    }

    /** First vector; unsigned 32 bits. */
    public long start() {
        return bytes.getUnsignedIntLE(at + START);
    }

    /** Vectors; unsigned 32 bits. */
    public long count() {
        return bytes.getUnsignedIntLE(at + COUNT);
    }

    /** One of the DATA constants, or something else when the flags are wrong. */
    public int data() {
        return flags() & DATA;
    }

    /** One of the ACTION constants, or something else when the flags are wrong. */
    public int action() {
        return flags() & ACTION;
    }

    /** Whether the n-th vector of the range is meant, with DATA_BOOL. */
    public boolean isChosen(int n) {
        return bytes.getByte(at + SIZE + n) != 0;
    }

    /**
     * Whether the message is well-formed.
     *
     * @param payloadLength bytes, at least {@link #SIZE}
     * @param fds descriptors that came along
     * @param vectors how many the index has
     */
    public boolean isValid(int payloadLength, int fds, long vectors) {
        if (argsz() < SIZE || (flags() & ~(DATA | ACTION)) != 0 || !isOneBit(data()) || !isOneBit(action())) {
            return false;
        }
        if (count() == 0) {
            return start() == 0 && data() == DATA_NONE && action() == ACTION_TRIGGER && fds == 0;
        }
        if (start() >= vectors || count() > vectors - start()) {
            return false;
        }
        if (data() == DATA_EVENTFD) {
            return fds == 0 || fds == count();
        }
        return fds == 0 && (data() != DATA_BOOL || payloadLength - SIZE == count());
    }

    private static boolean isOneBit(int value) {
        return Integer.bitCount(value) == 1;
    }
}
