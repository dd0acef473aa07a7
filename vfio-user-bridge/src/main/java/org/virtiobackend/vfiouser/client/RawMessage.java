package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * A message as it came, whatever it says.
 *
 * @param errno as in the header, 0 without the error flag
 * @param payload all after the header
 * @param fds what came along; whoever holds the message closes them
 */
public record RawMessage(int id, int command, int flags, int errno, byte[] payload, List<Fd> fds)
        implements AutoCloseable {
    /** Copies a received message and takes its descriptors. */
    static RawMessage of(Frame frame) {
        MessageHeader header = frame.header();
        byte[] payload = new byte[frame.payloadLength()];
        frame.bytes().getBytes(frame.payload(), payload);
        List<Fd> fds = new ArrayList<>();
        for (int i = 0; i < frame.fdCount(); i++) {
            fds.add(frame.takeFd(i));
        }
        frame.closeFds();
        return new RawMessage(
                header.id(), header.command(), header.flags(), header.isError() ? header.errno() : 0, payload, fds);
    }

    public boolean isReply() {
        return (flags & MessageHeader.TYPE_MASK) == MessageHeader.TYPE_REPLY;
    }

    public boolean isError() {
        return (flags & MessageHeader.FLAG_ERROR) != 0;
    }

    /** The payload, for the flyweights of the wire package at index 0. */
    public ByteBuf bytes() {
        return Unpooled.wrappedBuffer(payload);
    }

    /** The bytes of a message with a true size. */
    public static byte[] encode(int id, int command, int flags, int errno, byte[] payload) {
        byte[] message = new byte[MessageHeader.SIZE + payload.length];
        ByteBuf bytes = Unpooled.wrappedBuffer(message);
        new MessageHeader().wrap(bytes, 0).set(id, command, message.length, flags, errno);
        bytes.setBytes(MessageHeader.SIZE, payload);
        return message;
    }

    /** The bytes of a command that wants a reply. */
    public static byte[] command(int id, int command, byte[] payload) {
        return encode(id, command, MessageHeader.TYPE_COMMAND, 0, payload);
    }

    @Override
    public void close() {
        fds.forEach(Fd::close);
    }
}
