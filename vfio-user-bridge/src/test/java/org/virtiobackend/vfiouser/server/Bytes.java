package org.virtiobackend.vfiouser.server;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/** Builds payloads field by field, right or wrong. */
public final class Bytes {
    private final ByteBuffer buffer = ByteBuffer.allocate(1 << 21).order(ByteOrder.LITTLE_ENDIAN);

    public static Bytes of() {
        return new Bytes();
    }

    public Bytes u8(int... values) {
        for (int value : values) {
            buffer.put((byte) value);
        }
        return this;
    }

    public Bytes u16(int value) {
        buffer.putShort((short) value);
        return this;
    }

    public Bytes u32(long... values) {
        for (long value : values) {
            buffer.putInt((int) value);
        }
        return this;
    }

    public Bytes u64(long... values) {
        for (long value : values) {
            buffer.putLong(value);
        }
        return this;
    }

    public Bytes raw(byte... bytes) {
        buffer.put(bytes);
        return this;
    }

    public Bytes zeros(int count) {
        return raw(new byte[count]);
    }

    public byte[] get() {
        return Arrays.copyOf(buffer.array(), buffer.position());
    }

    public static byte[] cut(byte[] bytes, int length) {
        return Arrays.copyOf(bytes, length);
    }
}
