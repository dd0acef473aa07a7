package org.virtiobackend.vfiouser.client;

import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * Commands to a server and their replies, one at a time. Any thread; {@link #begin} and {@link #end} frame one exchange.
 *
 * <p>Without DMA messages the calling thread receives its own reply, which is the fastest way. With them a thread of its own
 * receives, because the server may ask at any time.
 */
final class Connection implements AutoCloseable {
    private static final int ID_MASK = 0xffff;
    private static final Fd[] NO_FDS = {};

    private final UnixSocket socket;
    private final long timeoutMillis;
    private final MessageReader reader;
    private final Frame frame = new Frame();
    private final OutgoingMessage request = new OutgoingMessage();
    private final DmaService dma;
    /** Held during one exchange. */
    private final ReentrantLock exchange = new ReentrantLock();
    /** Held while sending. */
    private final ReentrantLock sending = new ReentrantLock();
    /** Null when callers receive for themselves. */
    private final ReplyHandover handover;

    private final Thread receiver;
    private int lastId;

    private Connection(UnixSocket socket, ClientOptions options) {
        this.socket = socket;
        this.timeoutMillis = options.timeoutMillis();
        this.reader = new MessageReader(socket);
        this.dma = new DmaService(options.dmaTarget(), options.dmaLayout());
        boolean serves = options.dmaTarget() != null;
        this.handover = serves ? new ReplyHandover() : null;
        this.receiver = serves ? new Thread(this::receiveAll, "vfio-user-client") : null;
    }

    static Connection open(String path, ClientOptions options) throws IOException {
        UnixSocket socket = UnixSocket.connect(path);
        try {
            boolean serves = options.dmaTarget() != null;
            socket.setTimeouts(options.timeoutMillis(), serves ? 0 : options.timeoutMillis());
        } catch (IOException e) {
            socket.close();
            throw e;
        }
        Connection connection = new Connection(socket, options);
        if (connection.receiver != null) {
            connection.receiver.setDaemon(true);
            connection.receiver.start();
        }
        return connection;
    }

    /** Starts an exchange; returns the buffer with room for a payload at {@link OutgoingMessage#payload()}. */
    ByteBuf begin(int payloadLength) {
        exchange.lock();
        return request.reserve(payloadLength);
    }

    /** Ends the exchange that {@link #begin} has started; the reply is gone. */
    void end() {
        frame.closeFds();
        if (handover != null) {
            handover.release();
        } else {
            reader.release();
        }
        exchange.unlock();
    }

    /** Sends the command without wanting a reply. */
    void post(int command, int payloadLength) throws IOException {
        request.setHeader(nextId(), command, payloadLength, MessageHeader.FLAG_NO_REPLY, 0);
        send(request, NO_FDS);
    }

    /**
     * Sends the command and waits for its reply, an error reply included.
     *
     * @throws ErrnoException ETIMEDOUT, or ENOTCONN when the server has closed
     */
    Frame exchange(int command, int payloadLength, Fd[] fds) throws IOException {
        int id = nextId();
        request.setHeader(id, command, payloadLength, MessageHeader.TYPE_COMMAND, 0);
        if (handover != null) {
            handover.expect(id);
        }
        send(request, fds);
        return handover != null ? handover.await(command, timeoutMillis) : receive(id, command);
    }

    /**
     * As {@link #exchange}, but an error reply becomes an exception.
     *
     * @param minReply bytes that the reply's payload has at least, else EPROTO
     */
    Frame call(int command, int payloadLength, int minReply) throws IOException {
        return call(command, payloadLength, minReply, NO_FDS);
    }

    /** The same with descriptors, which stay the caller's. */
    Frame call(int command, int payloadLength, int minReply, Fd[] fds) throws IOException {
        Frame reply = exchange(command, payloadLength, fds);
        MessageHeader header = reply.header();
        if (header.isError()) {
            throw new ErrnoException(Command.name(command), header.errno() == 0 ? Errno.EPROTO : header.errno());
        }
        if (reply.payloadLength() < minReply) {
            throw new ErrnoException(Command.name(command) + ": short reply", Errno.EPROTO);
        }
        return reply;
    }

    long dmaMessagesServed() {
        return dma.served();
    }

    @Override
    public void close() {
        socket.shutdown();
        if (receiver != null) {
            join();
        }
        exchange.lock();
        try {
            reader.close();
            socket.close();
        } finally {
            exchange.unlock();
        }
    }

    private void join() {
        try {
            receiver.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private int nextId() {
        lastId = lastId + 1 & ID_MASK;
        return lastId;
    }

    private void send(OutgoingMessage message, Fd[] fds) throws IOException {
        sending.lock();
        try {
            message.send(socket, fds);
        } catch (ErrnoException e) {
            throw lost(e);
        } finally {
            sending.unlock();
        }
    }

    /** Receives until the reply is here; late replies to commands that were given up are dropped. */
    private Frame receive(int id, int command) throws IOException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        while (true) {
            while (reader.take(frame)) {
                if (frame.header().isCommand()) {
                    send(dma.serve(frame), NO_FDS);
                } else if (frame.header().id() == id) {
                    reader.pin();
                    return frame;
                }
                frame.closeFds();
            }
            if (System.nanoTime() - deadline > 0) {
                throw new ErrnoException(Command.name(command), Errno.ETIMEDOUT);
            }
            try {
                if (reader.receive(true) == MessageReader.Input.END) {
                    throw new ErrnoException(Command.name(command), Errno.ENOTCONN);
                }
            } catch (ErrnoException e) {
                throw e.errno() == Errno.EAGAIN ? new ErrnoException(Command.name(command), Errno.ETIMEDOUT) : e;
            }
        }
    }

    private void receiveAll() {
        try {
            do {
                while (reader.take(frame)) {
                    if (frame.header().isCommand()) {
                        send(dma.serve(frame), NO_FDS);
                        frame.closeFds();
                    } else {
                        handover.deliver(frame);
                    }
                }
            } while (reader.receive(true) != MessageReader.Input.END);
        } catch (IOException e) {
            // Whoever waits is told below.
        } finally {
            handover.close();
        }
    }

    private static IOException lost(ErrnoException e) {
        return switch (e.errno()) {
            case Errno.EPIPE, Errno.ECONNRESET, Errno.EBADF -> new ErrnoException("send", Errno.ENOTCONN);
            case Errno.EAGAIN -> new ErrnoException("send", Errno.ETIMEDOUT);
            default -> e;
        };
    }
}
