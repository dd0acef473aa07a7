package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.socket.SocketPair;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** A messenger between workers and a client that the test plays; the test is the session's thread as well. */
@Timeout(60)
abstract class MessengerTest {
    static final long ADDRESS = 0x1234_5678_9000L;
    private static final long LONG_MILLIS = 30_000;

    final ExecutorService workers = Executors.newCachedThreadPool();
    SocketPair sockets;
    MessageReader clientReader;
    SessionOutput output;
    DmaMessenger messenger;
    private MessageReader sessionReader;

    @BeforeEach
    void open(@TempDir Path directory) throws IOException {
        sockets = new SocketPair(directory);
        clientReader = new MessageReader(sockets.left);
        sessionReader = new MessageReader(sockets.right);
        output = new SessionOutput(sockets.right, SessionTimes.DEFAULT.sendMillis());
        messenger = new DmaMessenger(output, LONG_MILLIS);
    }

    @AfterEach
    void close() throws InterruptedException {
        messenger.close();
        workers.shutdown();
        assertTrue(workers.awaitTermination(10, TimeUnit.SECONDS), "a worker hangs");
        sockets.close();
    }

    CompletableFuture<Void> read(long address, ByteBuffer target, int offset, int length) {
        DmaMessenger used = messenger;
        return start(() -> used.read(address, target, offset, length));
    }

    CompletableFuture<Void> write(long address, ByteBuffer source, int offset, int length) {
        DmaMessenger used = messenger;
        return start(() -> used.write(address, source, offset, length));
    }

    interface Transfer {
        void run() throws DmaFaultException;
    }

    CompletableFuture<Void> start(Transfer transfer) {
        CompletableFuture<Void> result = new CompletableFuture<>();
        workers.execute(() -> {
            try {
                transfer.run();
                result.complete(null);
            } catch (Throwable t) {
                result.completeExceptionally(t);
            }
        });
        return result;
    }

    static DmaFaultException fault(CompletableFuture<Void> transfer) throws Exception {
        ExecutionException e = assertThrows(ExecutionException.class, () -> transfer.get(10, TimeUnit.SECONDS));
        return assertInstanceOf(DmaFaultException.class, e.getCause());
    }

    /** The next request, as the client sees it. */
    RawMessage request() throws IOException {
        RawMessage request = receive(clientReader);
        assertEquals(MessageHeader.TYPE_COMMAND, request.flags());
        return request;
    }

    /** The client's good answer reaches the session's thread. */
    void reply(RawMessage request, byte[] payload) throws IOException {
        answer(request, MessageHeader.TYPE_REPLY, 0, payload);
    }

    void answer(RawMessage request, int flags, int errno, byte[] payload) throws IOException {
        SocketPair.send(sockets.left, RawMessage.encode(request.id(), request.command(), flags, errno, payload));
        assertTrue(messenger.replyArrived(frame(sessionReader)));
    }

    /** A reply to a read that carries ones; whether somebody wanted it. */
    boolean deliver(int id) throws IOException {
        byte[] payload = Bytes.of().u64(ADDRESS, 8, -1).get();
        SocketPair.send(sockets.left, RawMessage.encode(id, Command.DMA_READ, MessageHeader.TYPE_REPLY, 0, payload));
        return messenger.replyArrived(frame(sessionReader));
    }

    void answerCommand(int id) throws IOException {
        OutgoingMessage reply = new OutgoingMessage();
        reply.setHeader(id, Command.DEVICE_RESET, 0, MessageHeader.TYPE_REPLY, 0);
        output.reply(reply, null, false);
    }

    static RawMessage receive(MessageReader reader) throws IOException {
        Frame frame = frame(reader);
        byte[] payload = new byte[frame.payloadLength()];
        frame.bytes().getBytes(frame.payload(), payload);
        MessageHeader header = frame.header();
        return new RawMessage(header.id(), header.command(), header.flags(), header.errno(), payload, List.of());
    }

    static Frame frame(MessageReader reader) throws IOException {
        Frame frame = new Frame();
        while (!reader.take(frame)) {
            assertEquals(MessageReader.Input.SOME, reader.receive(true));
        }
        return frame;
    }
}
