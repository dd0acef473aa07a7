package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.DmaTransferPayload;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** Answers the server's DMA messages. One thread. */
final class DmaService {
    private final DmaTarget target;
    private final boolean count32;
    private final OutgoingMessage reply = new OutgoingMessage();
    private final DmaTransferPayload request = new DmaTransferPayload();
    private final DmaTransferPayload echo = new DmaTransferPayload();
    private int payloadLength;
    private volatile long served;

    /** @param target null: every message is refused */
    DmaService(DmaTarget target, DmaLayout layout) {
        this.target = target;
        this.count32 = layout == DmaLayout.COUNT32;
    }

    /** Messages answered without an error. */
    long served() {
        return served;
    }

    /** Executes a command of the server and builds the answer, which the caller sends. */
    OutgoingMessage serve(Frame frame) {
        MessageHeader header = frame.header();
        payloadLength = 0;
        int errno = execute(header.command(), frame);
        if (errno == 0) {
            served++;
        } else {
            payloadLength = 0;
        }
        int flags = MessageHeader.TYPE_REPLY | (errno == 0 ? 0 : MessageHeader.FLAG_ERROR);
        reply.setHeader(header.id(), header.command(), payloadLength, flags, errno);
        return reply;
    }

    private int execute(int command, Frame frame) {
        if (target == null || command != Command.DMA_READ && command != Command.DMA_WRITE) {
            return Errno.ENOSYS;
        }
        if (frame.payloadLength() < DmaTransferPayload.SIZE) {
            return Errno.EINVAL;
        }
        request.wrap(frame.bytes(), frame.payload());
        long count = count32 ? request.count32() : request.count();
        if (count < 0 || count > Limits.MAX_DATA_TRANSFER) {
            return Errno.E2BIG;
        }
        return command == Command.DMA_READ ? read((int) count) : write(frame, (int) count);
    }

    private int read(int count) {
        payloadLength = DmaTransferPayload.SIZE + count;
        ByteBuf out = reply.reserve(payloadLength);
        int data = echo(out, count);
        out.setIndex(data, data);
        return target.read(request.address(), count, out);
    }

    private int write(Frame frame, int count) {
        if (frame.payloadLength() != DmaTransferPayload.SIZE + count) {
            return Errno.EINVAL;
        }
        if (!count32) {
            payloadLength = DmaTransferPayload.SIZE;
            echo(reply.reserve(payloadLength), count);
        }
        int data = frame.payload() + (count32 ? DmaTransferPayload.COUNT32_DATA : DmaTransferPayload.SIZE);
        return target.write(request.address(), count, frame.bytes().setIndex(data, data + count));
    }

    /** Repeats the fields and returns where data goes. */
    private int echo(ByteBuf out, int count) {
        echo.wrap(out, OutgoingMessage.payload());
        if (count32) {
            echo.setCount32(request.address(), count);
            return OutgoingMessage.payload() + DmaTransferPayload.COUNT32_DATA;
        }
        echo.set(request.address(), count);
        return OutgoingMessage.payload() + DmaTransferPayload.SIZE;
    }
}
