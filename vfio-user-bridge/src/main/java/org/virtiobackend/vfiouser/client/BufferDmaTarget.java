package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import org.virtiobackend.posix.Errno;

/** One range of memory as a {@link DmaTarget}. */
public final class BufferDmaTarget implements DmaTarget {
    private final long base;
    private final ByteBuf memory;

    /**
     * @param base address of the first byte
     * @param memory all of it, from index 0 to its capacity
     */
    public BufferDmaTarget(long base, ByteBuffer memory) {
        this.base = base;
        this.memory = Unpooled.wrappedBuffer(memory.duplicate().clear());
    }

    @Override
    public int read(long address, int length, ByteBuf out) {
        if (!contains(address, length)) {
            return Errno.EFAULT;
        }
        out.writeBytes(memory, (int) (address - base), length);
        return 0;
    }

    @Override
    public int write(long address, int length, ByteBuf in) {
        if (!contains(address, length)) {
            return Errno.EFAULT;
        }
        in.readBytes(memory.setIndex(0, (int) (address - base)), length);
        return 0;
    }

    private boolean contains(long address, int length) {
        long offset = address - base;
        return offset >= 0 && offset <= memory.capacity() && length <= memory.capacity() - offset;
    }
}
