package org.virtiobackend.conformance.runner;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.RingAccess;

/** A piece of memory that driver and device share. */
public final class Buffer {
    private final ByteBuffer memory;
    private final int offset;
    private final int length;
    private final long address;

    Buffer(ByteBuffer memory, int offset, int length, long address) {
        this.memory = memory;
        this.offset = offset;
        this.length = length;
        this.address = address;
    }

    /** What goes into a descriptor. */
    public long address() {
        return address;
    }

    public int length() {
        return length;
    }

    /** The same memory for ordered access. */
    RingAccess access() {
        RingAccess access = new RingAccess();
        access.attachMapped(memory, offset, length);
        return access;
    }

    public void fill(int value) {
        for (int i = 0; i < length; i++) {
            memory.put(offset + i, (byte) value);
        }
    }

    public void put(int at, byte... bytes) {
        memory.put(offset + at, bytes);
    }

    public byte[] get() {
        return get(0, length);
    }

    public byte[] get(int at, int count) {
        byte[] bytes = new byte[count];
        memory.get(offset + at, bytes);
        return bytes;
    }

    /** Index of the first byte from {@code from} on that is not {@code value}, or -1. */
    public int firstOther(int from, int value) {
        for (int i = from; i < length; i++) {
            if (memory.get(offset + i) != (byte) value) {
                return i;
            }
        }
        return -1;
    }
}
