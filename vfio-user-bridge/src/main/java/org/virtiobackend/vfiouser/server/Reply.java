package org.virtiobackend.vfiouser.server;

import io.netty.buffer.ByteBuf;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;

/** The payload of the reply that a command builds. Reused; the session's thread only. */
final class Reply {
    private final OutgoingMessage message = new OutgoingMessage();
    private int payloadLength;
    private Fd fd;

    void clear() {
        payloadLength = 0;
        fd = null;
    }

    /** Makes the reply carry a payload of that many bytes, which the caller writes at {@link #at}. */
    ByteBuf payload(int length) {
        payloadLength = length;
        return message.reserve(length);
    }

    /** Where the payload starts. */
    int at() {
        return OutgoingMessage.payload();
    }

    /** A descriptor to pass along; it stays the caller's. */
    void attach(Fd newFd) {
        fd = newFd;
    }

    Fd fd() {
        return fd;
    }

    int payloadLength() {
        return payloadLength;
    }

    OutgoingMessage message() {
        return message;
    }
}
