package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;

/**
 * Private memory of one receive queue, off the heap. It stays with the device: a driver may reset that faster than the garbage collector
 * finds out. Belongs to the queue's present handler.
 */
final class ReceiveMemory implements AutoCloseable {
    /** Room to move the head of a frame to, in front of its tail. */
    static final int TAIL_AT = Ethernet.MAX_FRAME_BYTES;

    private final NativeBuffer frame = NativeBuffer.allocate(TAIL_AT + Ethernet.MAX_FRAME_BYTES);
    private final IoVec iov = new IoVec();

    /** Room for the head of a frame, and from {@link #TAIL_AT} on for a whole one. */
    NativeBuffer frame() {
        return frame;
    }

    IoVec iov() {
        return iov;
    }

    /** No handler has it any more. */
    @Override
    public void close() {
        frame.close();
        iov.close();
    }
}
