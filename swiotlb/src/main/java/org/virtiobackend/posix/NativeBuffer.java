package org.virtiobackend.posix;

import com.sun.jna.Memory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Off-heap memory of a known address, zeroed, for system calls and scratch copies. It lives as long as this object is reachable:
 * keep the object, not only its address.
 */
public final class NativeBuffer {
    private static final int PAGE = 4096;

    private final Memory memory;
    private final ByteBuffer buffer;

    private NativeBuffer(Memory memory, long size) {
        this.memory = memory;
        this.buffer = memory.getByteBuffer(0, size).order(ByteOrder.nativeOrder());
    }

    /** @param size bytes, more than 0 */
    public static NativeBuffer allocate(long size) {
        Memory memory = new Memory(size);
        memory.clear();
        return new NativeBuffer(memory, size);
    }

    /** The same, starting on a page boundary, as direct I/O wants it. */
    public static NativeBuffer allocatePageAligned(long size) {
        Memory memory = new Memory(size + PAGE).align(PAGE);
        memory.clear();
        return new NativeBuffer(memory, size);
    }

    public long address() {
        return com.sun.jna.Pointer.nativeValue(memory);
    }

    /** The whole memory, native byte order; the same object every time, so use absolute accessors. */
    public ByteBuffer buffer() {
        return buffer;
    }

    /** Frees the memory now, not only when this object is unreachable; nobody may touch it or its buffer any more. */
    public void close() {
        memory.close();
    }

    public int size() {
        return buffer.capacity();
    }
}
