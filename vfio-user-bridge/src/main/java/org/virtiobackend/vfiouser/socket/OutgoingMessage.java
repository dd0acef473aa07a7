package org.virtiobackend.vfiouser.socket;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** A reusable buffer in which one message is built and from which it is sent. One thread at a time. */
public final class OutgoingMessage {
    private static final int INITIAL_BYTES = 4 << 10;
    private static final Fd[] NO_FDS = {};

    private final MessageHeader header = new MessageHeader();
    private final Fd[] oneFd = new Fd[1];
    private NativeBuffer memory;
    private ByteBuf bytes;

    public OutgoingMessage() {
        replaceMemory(INITIAL_BYTES);
    }

    /** Where the payload starts in {@link #bytes}. */
    public static int payload() {
        return MessageHeader.SIZE;
    }

    /**
     * Makes room for a payload. What was written before is gone when the buffer has to grow.
     *
     * @param payloadLength bytes, at most what fits into the largest message
     */
    public ByteBuf reserve(int payloadLength) {
        int needed = MessageHeader.SIZE + payloadLength;
        if (needed > bytes.capacity()) {
            replaceMemory(Math.max(needed, Math.min(Integer.highestOneBit(needed) << 1, Limits.MAX_MESSAGE)));
        }
        return bytes.setIndex(0, 0);
    }

    /** The buffer, for absolute access; the payload is at {@link #payload()}. */
    public ByteBuf bytes() {
        return bytes;
    }

    /** The same memory with the same indexes, for bulk copies. */
    public ByteBuffer memory() {
        return memory.buffer();
    }

    /** Puts the header in front of a payload of that many bytes. */
    public void setHeader(int id, int command, int payloadLength, int flags, int errno) {
        header.wrap(bytes, 0).set(id, command, MessageHeader.SIZE + payloadLength, flags, errno);
    }

    /**
     * Sends the message with no descriptor, or one; it stays the caller's.
     *
     * @param nanos how long that may take at most, see {@link UnixSocket#sendWithin}
     */
    public void sendWithin(long nanos, UnixSocket socket, Fd fd) throws ErrnoException {
        Fd[] fds = NO_FDS;
        if (fd != null) {
            oneFd[0] = fd;
            fds = oneFd;
        }
        socket.sendWithin(nanos, memory.address(), header.wrap(bytes, 0).size(), fds);
        oneFd[0] = null;
    }

    /** Sends the message; the descriptors stay the caller's. */
    public void send(UnixSocket socket, Fd[] fds) throws ErrnoException {
        socket.send(memory.address(), header.wrap(bytes, 0).size(), fds);
    }

    private void replaceMemory(int size) {
        memory = NativeBuffer.allocate(size);
        bytes = Unpooled.wrappedBuffer(memory.buffer());
    }
}
