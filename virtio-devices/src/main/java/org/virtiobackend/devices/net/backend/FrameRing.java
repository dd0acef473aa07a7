package org.virtiobackend.devices.net.backend;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicLong;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.virtio.queue.ChainReader;

/** Frames on their way from one thread to one other, in private memory of fixed size. Neither allocates or waits. */
public final class FrameRing {
    private static final int RECORD_HEADER = Integer.BYTES + VnetHeader.BYTES;
    private static final int ALIGNMENT = 8;
    /** In place of a length: the rest of the memory is not used. */
    private static final int SKIP = -1;

    private final ByteBuffer memory;
    private final int mask;
    private final AtomicLong written = new AtomicLong();
    private final AtomicLong read = new AtomicLong();
    private final Frame front = new Frame();

    /** @param bytes a power of two, at least four times the largest frame */
    public FrameRing(int bytes) {
        if (Integer.bitCount(bytes) != 1 || bytes < 4 * Ethernet.MAX_FRAME_BYTES) {
            throw new IllegalArgumentException("ring of " + bytes + " bytes");
        }
        memory = ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
        mask = bytes - 1;
    }

    /** Appends the unread bytes of a chain as a frame; false when there is no room. The writing thread only. */
    public boolean offer(VnetHeader header, ChainReader frame) {
        int length = (int) frame.remaining();
        int at = claim(length);
        if (at < 0) {
            return false;
        }
        frame.get(memory, at + RECORD_HEADER, length);
        commit(at, length, header);
        return true;
    }

    /** Appends a copy of a frame; false when there is no room. The writing thread only. */
    public boolean offer(Frame frame) {
        int at = claim(frame.length());
        if (at < 0) {
            return false;
        }
        memory.put(at + RECORD_HEADER, frame.bytes(), frame.offset(), frame.length());
        commit(at, frame.length(), frame.header());
        return true;
    }

    /** The oldest frame, or null; it stays until {@link #consume}. The reading thread only. */
    public Frame peek() {
        long position = read.getPlain();
        while (position != written.get()) {
            int at = (int) position & mask;
            int length = memory.getInt(at);
            if (length != SKIP) {
                front.header().read(memory, at + Integer.BYTES);
                front.set(memory, at + RECORD_HEADER, length);
                return front;
            }
            position += memory.capacity() - at;
            read.setRelease(position);
        }
        return null;
    }

    /** Removes the oldest frame. The reading thread only. */
    public void consume() {
        if (peek() != null) {
            read.set(read.getPlain() + recordBytes(front.length()));
        }
    }

    /** Removes all frames. The reading thread only. */
    public void clear() {
        read.set(written.get());
    }

    /** Where a record of so many frame bytes goes, or -1. */
    private int claim(int length) {
        long position = written.getPlain();
        int at = (int) position & mask;
        int bytes = recordBytes(length);
        int untilEnd = memory.capacity() - at;
        long needed = untilEnd < bytes ? (long) untilEnd + bytes : bytes;
        if (position + needed - read.get() > memory.capacity()) {
            return -1;
        }
        if (untilEnd < bytes) {
            memory.putInt(at, SKIP);
            written.setRelease(position + untilEnd);
            return 0;
        }
        return at;
    }

    private void commit(int at, int length, VnetHeader header) {
        memory.putInt(at, length);
        header.write(memory, at + Integer.BYTES, 0);
        written.setRelease(written.getPlain() + recordBytes(length));
    }

    private static int recordBytes(int length) {
        return RECORD_HEADER + length + ALIGNMENT - 1 & -ALIGNMENT;
    }
}
