package org.virtiobackend.conformance.runner;

import java.nio.ByteBuffer;

/** Memory that the device reaches, given out piece by piece and taken back all at once. One thread. */
final class Arena {
    /** Offset 0 stays unused: the DMB proposal lets a device refuse it. */
    private static final int FIRST = 4096;

    private final ByteBuffer memory;
    private final int base;
    private final int size;
    private long address;
    private int next = FIRST;

    /**
     * @param memory little-endian
     * @param base where the arena starts in it
     * @param size bytes
     * @param address of its first byte, as the device knows it
     */
    Arena(ByteBuffer memory, int base, int size, long address) {
        this.memory = memory;
        this.base = base;
        this.size = size;
        this.address = address;
    }

    /** Takes everything back. */
    void reset() {
        next = FIRST;
    }

    /** The device knows it by another address from now on. */
    void moveTo(long newAddress) {
        address = newAddress;
    }

    long address() {
        return address;
    }

    /** Zeroed memory; {@code alignment} is a power of two. */
    Buffer allocate(int length, int alignment) {
        int at = next + alignment - 1 & -alignment;
        if (length > size - at) {
            throw new CheckFailure("the device's memory has no room for " + length + " more bytes of the check");
        }
        next = at + length;
        Buffer buffer = new Buffer(memory, base + at, length, address + at);
        buffer.fill(0);
        return buffer;
    }
}
