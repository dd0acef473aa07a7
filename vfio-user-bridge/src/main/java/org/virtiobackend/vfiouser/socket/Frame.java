package org.virtiobackend.vfiouser.socket;

import io.netty.buffer.ByteBuf;
import java.nio.ByteBuffer;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * One whole message and the descriptors that came with it. Filled by a {@link MessageReader}, reused, one thread. The bytes stay
 * valid until the reader is told that they are done with; descriptors that nobody takes are closed by {@link #closeFds}.
 */
public final class Frame {
    private static final int MAX_FDS = ArrivedFds.MAX;

    private final MessageHeader header = new MessageHeader();
    private final Fd[] fds = new Fd[MAX_FDS];
    private ByteBuf bytes;
    private ByteBuffer memory;
    private int at;
    private int size;
    private int fdCount;
    private boolean fdsLost;

    void set(ByteBuf newBytes, ByteBuffer newMemory, int index, int newSize) {
        bytes = newBytes;
        memory = newMemory;
        at = index;
        size = newSize;
        header.wrap(newBytes, index);
    }

    void addFd(Fd fd) {
        if (fd == null || fdCount == MAX_FDS) {
            fdsLost = true;
            if (fd != null) {
                fd.close();
            }
        } else {
            fds[fdCount++] = fd;
        }
    }

    public MessageHeader header() {
        return header;
    }

    /** The buffer that holds the message, for absolute access. */
    public ByteBuf bytes() {
        return bytes;
    }

    /** The same memory with the same indexes, for bulk copies. */
    public ByteBuffer memory() {
        return memory;
    }

    /** Where the payload starts in the buffer. */
    public int payload() {
        return at + MessageHeader.SIZE;
    }

    /** Bytes after the header. */
    public int payloadLength() {
        return size - MessageHeader.SIZE;
    }

    /** Descriptors that came along. */
    public int fdCount() {
        return fdCount;
    }

    /** More descriptors came than can be received; the surplus is closed. */
    public boolean fdsLost() {
        return fdsLost;
    }

    /** Hands a descriptor over to the caller; null when already taken. */
    public Fd takeFd(int n) {
        Fd fd = fds[n];
        fds[n] = null;
        return fd;
    }

    /** A descriptor that stays the frame's. */
    public Fd fd(int n) {
        return fds[n];
    }

    /** Closes what nobody took; the frame then has no descriptors. */
    public void closeFds() {
        for (int i = 0; i < fdCount; i++) {
            if (fds[i] != null) {
                fds[i].close();
                fds[i] = null;
            }
        }
        fdCount = 0;
        fdsLost = false;
    }

    /** Bytes of the whole message. */
    public int size() {
        return size;
    }
}
