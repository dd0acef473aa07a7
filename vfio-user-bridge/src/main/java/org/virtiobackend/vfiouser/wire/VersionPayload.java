package org.virtiobackend.vfiouser.wire;

import io.netty.buffer.ByteBuf;

/** VERSION: two numbers, then optionally a JSON text that ends with NUL. */
public final class VersionPayload {
    /** Bytes before the JSON text. */
    public static final int SIZE = 4;

    private static final int MAJOR = 0;
    private static final int MINOR = 2;

    private ByteBuf bytes;
    private int at;

    public VersionPayload wrap(ByteBuf newBytes, int index) {
        bytes = newBytes;
        at = index;
        return this;
    }

    public VersionPayload set(int major, int minor) {
        bytes.setShortLE(at + MAJOR, major);
        bytes.setShortLE(at + MINOR, minor);
        return this;
    }

    public int major() {
        return bytes.getUnsignedShortLE(at + MAJOR);
    }

    public int minor() {
        return bytes.getUnsignedShortLE(at + MINOR);
    }

    /** Whether a text follows. */
    public static boolean hasText(int payloadLength) {
        return payloadLength > SIZE;
    }

    /** Whether the text ends with the NUL that must stand there. */
    public boolean isTextTerminated(int payloadLength) {
        return bytes.getByte(at + payloadLength - 1) == 0;
    }

    /** A copy of the text without its NUL. */
    public byte[] text(int payloadLength) {
        byte[] text = new byte[payloadLength - SIZE - 1];
        bytes.getBytes(at + SIZE, text);
        return text;
    }

    /** Puts the text and its NUL behind the numbers; returns the payload's length. */
    public int setText(byte[] text) {
        bytes.setBytes(at + SIZE, text);
        bytes.setByte(at + SIZE + text.length, 0);
        return SIZE + text.length + 1;
    }
}
