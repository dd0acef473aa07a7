package org.virtiobackend.vfiouser.socket;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.ByteBuffer;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * The receiving half of a connection: takes as much as has arrived with each system call and gives out whole messages. One thread.
 *
 * <p>Descriptors ride on the first byte of a message, and the kernel ends a receive right after the bytes that one sendmsg put in
 * with descriptors. A sender passes a message to one sendmsg, so what a receive brings belongs to the last message that has begun
 * in the bytes so far: reading ahead stays exact.
 */
public final class MessageReader implements AutoCloseable {
    /** What {@link #receive} found. */
    public enum Input {
        /** Bytes. */
        SOME,
        /** Nothing yet. */
        NOTHING,
        /** The peer has closed, or the connection has failed. */
        END
    }

    private static final int INITIAL_BYTES = 16 << 10;

    private final UnixSocket socket;
    private final Fd[] received = new Fd[UnixSocket.MAX_FDS];
    private final ArrivedFds arrived = new ArrivedFds();
    private final MessageHeader header = new MessageHeader();

    private NativeBuffer memory;
    private ByteBuf bytes;
    /** First byte not given out yet, and the end of what has arrived. */
    private int start;

    private int end;
    /** Position in the stream of the buffer's first byte. */
    private long base;
    /** The buffer that a message in use lies in: its bytes must not move. */
    private NativeBuffer pinned;

    public MessageReader(UnixSocket socket) {
        this.socket = socket;
        replaceMemory(NativeBuffer.allocate(INITIAL_BYTES));
    }

    /**
     * Gives out the next message when all of it is here, without a system call.
     *
     * @param frame gets the message; its bytes stay until {@link #release}
     * @return false when more must be received first
     */
    public boolean take(Frame frame) throws BrokenFrameException {
        if (end - start < MessageHeader.SIZE) {
            return false;
        }
        header.wrap(bytes, start);
        long size = header.size();
        if (!MessageHeader.isSizeValid(size)) {
            boolean waits = header.isCommand() && header.wantsReply();
            throw new BrokenFrameException(header.id(), header.command(), waits, size);
        }
        if (end - start < size) {
            return false;
        }
        frame.set(bytes, memory.buffer(), start, (int) size);
        arrived.moveTo(frame, base + start);
        start += (int) size;
        return true;
    }

    /** Keeps the bytes of messages given out from now where they are, until {@link #release}. */
    public void pin() {
        pinned = memory;
    }

    /** The messages given out so far are done with. */
    public void release() {
        pinned = null;
    }

    /** Whether bytes of an unfinished message are here. */
    public boolean isInsideMessage() {
        return end > start;
    }

    /**
     * Receives once.
     *
     * @param wait false: returns {@link Input#NOTHING} at once when nothing is there
     * @throws ErrnoException EAGAIN when the socket's time limit has passed
     */
    public Input receive(boolean wait) throws ErrnoException {
        makeRoom();
        long address = memory.address() + end;
        int room = memory.size() - end;
        UnixSocket.Received result;
        try {
            result = wait ? socket.receive(address, room, received) : socket.tryReceive(address, room, received);
        } catch (ErrnoException e) {
            if (e.errno() == Errno.EAGAIN) {
                throw e;
            }
            return Input.END;
        }
        if (result == null) {
            return Input.NOTHING;
        }
        end += (int) result.bytes();
        if (result.fdCount() > 0 || result.fdsTruncated()) {
            arrived.add(base + lastBegun(), received, result.fdCount(), result.fdsTruncated());
        }
        return result.bytes() == 0 ? Input.END : Input.SOME;
    }

    /** Closes descriptors that belong to messages which were never given out. */
    @Override
    public void close() {
        arrived.closeAll();
    }

    /** Where the last message starts that has begun in the buffer. */
    private int lastBegun() {
        int at = start;
        while (end - at >= MessageHeader.SIZE) {
            long size = header.wrap(bytes, at).size();
            if (!MessageHeader.isSizeValid(size) || size >= end - at) {
                break;
            }
            at += (int) size;
        }
        return at;
    }

    private void makeRoom() {
        if (start == end && memory != pinned) {
            base += start;
            start = 0;
            end = 0;
        }
        int needed = MessageHeader.SIZE;
        if (end - start >= MessageHeader.SIZE) {
            // take() has refused the message as incomplete, so its size is a valid one.
            needed = (int) header.wrap(bytes, start).size();
        }
        if (memory.size() - start >= needed && memory.size() > end) {
            return;
        }
        if (memory != pinned && needed <= memory.size()) {
            moveTo(memory);
        } else {
            moveTo(NativeBuffer.allocate(Math.max(memory.size(), capacityFor(needed))));
        }
    }

    private void moveTo(NativeBuffer target) {
        ByteBuffer from = memory.buffer();
        target.buffer().put(0, from, start, end - start);
        base += start;
        end -= start;
        start = 0;
        if (target != memory) {
            replaceMemory(target);
        }
    }

    private void replaceMemory(NativeBuffer target) {
        memory = target;
        bytes = Unpooled.wrappedBuffer(target.buffer());
    }

    private static int capacityFor(int needed) {
        return Math.min(Integer.highestOneBit(needed - 1) << 1, Math.max(needed, Limits.MAX_MESSAGE));
    }
}
