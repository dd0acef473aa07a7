package org.virtiobackend.devices.fs.driver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A FUSE request as a driver builds it; every field can be made wrong on purpose. */
public final class FuseMessage {
    private ByteBuffer bytes;
    private int extensionStart = -1;

    /** @param order of the session */
    public FuseMessage(int opcode, long nodeId, ByteOrder order) {
        bytes = ByteBuffer.allocate(256).order(order);
        bytes.putInt(0)
                .putInt(opcode)
                .putLong(0)
                .putLong(nodeId)
                .putInt(0)
                .putInt(0)
                .putInt(1)
                .putInt(0);
    }

    /** A little-endian one. */
    public FuseMessage(int opcode, long nodeId) {
        this(opcode, nodeId, ByteOrder.LITTLE_ENDIAN);
    }

    /** Who sends it; 0:0 when this is not called. */
    public FuseMessage as(int uid, int gid) {
        bytes.putInt(24, uid);
        bytes.putInt(28, gid);
        return this;
    }

    public FuseMessage u32(long value) {
        room(4).putInt((int) value);
        return this;
    }

    public FuseMessage u64(long value) {
        room(8).putLong(value);
        return this;
    }

    public FuseMessage text(String value) {
        return bytes(value.getBytes(StandardCharsets.UTF_8)).bytes(new byte[1]);
    }

    public FuseMessage bytes(byte... value) {
        room(value.length).put(value);
        return this;
    }

    /** The extension that names a supplementary group; comes last. */
    public FuseMessage group(int gid) {
        extensionStart = bytes.position();
        return u32(16).u32(32).u32(1).u32(gid);
    }

    /** The request with its length and number filled in. */
    public byte[] build(long unique) {
        int length = bytes.position();
        bytes.putInt(0, length);
        bytes.putLong(8, unique);
        int extension = extensionStart < 0 ? 0 : (length - extensionStart) / 8;
        bytes.putShort(36, (short) extension);
        return Arrays.copyOf(bytes.array(), length);
    }

    ByteOrder order() {
        return bytes.order();
    }

    private ByteBuffer room(int more) {
        if (bytes.remaining() < more) {
            ByteBuffer larger =
                    ByteBuffer.allocate((bytes.capacity() + more) * 2).order(bytes.order());
            bytes.flip();
            larger.put(bytes);
            bytes = larger;
        }
        return bytes;
    }
}
