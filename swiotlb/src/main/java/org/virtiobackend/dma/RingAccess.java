package org.virtiobackend.dma;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Little-endian access to one ring area, shared with a driver that runs at the same time. This is the only class that orders
 * memory accesses: an index is read with acquire before what it announces is read, and written with release after it.
 *
 * <p>An area that can only be reached by messages ({@link RemoteMemory}) is a private copy; {@link #fetch} and {@link #flush}
 * bring a part of it in or out and cost nothing for mapped memory. One thread at a time.
 */
public final class RingAccess {
    private static final VarHandle U16 = MethodHandles.byteBufferViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle U32 = MethodHandles.byteBufferViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    private ByteBuffer memory;
    private int base;
    private int length;
    /** The copy of a remote area, kept when the area goes: what was not brought out yet is still to be, when it comes back. */
    private ByteBuffer copy;

    private RemoteMemory remote;
    private long remoteAddress;

    /** Points at mapped memory: {@code length} bytes of {@code window} from {@code base}. */
    public void attachMapped(ByteBuffer window, int base, int length) {
        this.memory = window;
        this.base = base;
        this.length = length;
        this.remote = null;
    }

    /** Points at memory behind messages. */
    public void attachRemote(RemoteMemory remote, long address, int length) {
        if (copy == null || copy.capacity() < length) {
            copy = ByteBuffer.allocateDirect(length).order(ByteOrder.LITTLE_ENDIAN);
        }
        this.memory = copy;
        this.base = 0;
        this.length = length;
        this.remote = remote;
        this.remoteAddress = address;
    }

    public void detach() {
        memory = null;
        remote = null;
        length = 0;
    }

    public boolean isAttached() {
        return memory != null;
    }

    public boolean isRemote() {
        return remote != null;
    }

    /** Bytes of the area. */
    public int length() {
        return length;
    }

    /** Brings a part of a remote area in; nothing for mapped memory. */
    public void fetch(int offset, int count) throws DmaFaultException {
        if (remote != null) {
            remote.read(remoteAddress + offset, memory, base + offset, count);
        }
    }

    /** Brings a part of a remote area out; nothing for mapped memory. */
    public void flush(int offset, int count) throws DmaFaultException {
        if (remote != null) {
            remote.write(remoteAddress + offset, memory, base + offset, count);
        }
    }

    public int getU8(int offset) {
        return memory.get(base + offset) & 0xff;
    }

    public int getU16(int offset) {
        return memory.getShort(base + offset) & 0xffff;
    }

    public long getU32(int offset) {
        return memory.getInt(base + offset) & 0xffff_ffffL;
    }

    public long getU64(int offset) {
        return memory.getLong(base + offset);
    }

    public void putU8(int offset, int value) {
        memory.put(base + offset, (byte) value);
    }

    public void putU16(int offset, int value) {
        memory.putShort(base + offset, (short) value);
    }

    public void putU32(int offset, long value) {
        memory.putInt(base + offset, (int) value);
    }

    public void putU64(int offset, long value) {
        memory.putLong(base + offset, value);
    }

    /** Reads an index or flags; later reads see what the driver wrote before it. The area is aligned to 2 at least. */
    public int getU16Acquire(int offset) {
        return (short) U16.getAcquire(memory, base + offset) & 0xffff;
    }

    /** Publishes an index or flags: everything written before becomes visible first. */
    public void putU16Release(int offset, int value) {
        U16.setRelease(memory, base + offset, (short) value);
    }

    /** As {@link #getU16Acquire}; the area is aligned to 4. */
    public long getU32Acquire(int offset) {
        return (int) U32.getAcquire(memory, base + offset) & 0xffff_ffffL;
    }

    /** As {@link #putU16Release}; the area is aligned to 4. */
    public void putU32Release(int offset, long value) {
        U32.setRelease(memory, base + offset, (int) value);
    }

    /** A full barrier: between writing an index and reading whether the other side wants to be told (store-load). */
    public static void fullFence() {
        VarHandle.fullFence();
    }
}
