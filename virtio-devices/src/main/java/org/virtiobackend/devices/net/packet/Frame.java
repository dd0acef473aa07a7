package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;

/** A frame in private memory with its header; a reusable view. */
public final class Frame {
    private final VnetHeader header = new VnetHeader();
    private ByteBuffer bytes;
    private int offset;
    private int length;

    public void set(ByteBuffer newBytes, int newOffset, int newLength) {
        bytes = newBytes;
        offset = newOffset;
        length = newLength;
    }

    public VnetHeader header() {
        return header;
    }

    /** Use absolute accessors. */
    public ByteBuffer bytes() {
        return bytes;
    }

    /** Where the frame starts in {@link #bytes}. */
    public int offset() {
        return offset;
    }

    public int length() {
        return length;
    }
}
