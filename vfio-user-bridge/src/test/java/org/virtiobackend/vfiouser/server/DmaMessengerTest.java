package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.socket.SocketPair;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** The messenger between a worker and a client that the test plays; the test is the session's thread as well. */
@Timeout(60)
class DmaMessengerTest {
    private static final long ADDRESS = 0x1234_5678_9000L;
    private static final long LONG_MILLIS = 30_000;

    private final ExecutorService workers = Executors.newCachedThreadPool();
    private SocketPair sockets;
    private MessageReader clientReader;
    private MessageReader sessionReader;
    private SessionOutput output;
    private DmaMessenger messenger;

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

    @Test
    void readsIntoTheMiddleOfABuffer() throws Exception {
        ByteBuffer target = ByteBuffer.allocateDirect(100);
        CompletableFuture<Void> read = read(ADDRESS, target, 10, 8);
        RawMessage request = request();
        assertEquals(Command.DMA_READ, request.command());
        assertArrayEquals(Bytes.of().u64(ADDRESS, 8).get(), request.payload());
        reply(request, Bytes.of().u64(ADDRESS, 8).u8(1, 2, 3, 4, 5, 6, 7, 8).get());
        read.get();
        assertEquals(0, target.get(9));
        assertEquals(1, target.get(10));
        assertEquals(8, target.get(17));
        assertEquals(0, target.get(18));
        assertEquals(0, target.position());
        assertEquals(100, target.limit());
        assertEquals(1, messenger.messagesSent());
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 12, 16})
    void writesAndTakesEachFormOfReply(int replyLength) throws Exception {
        ByteBuffer source = ByteBuffer.allocate(100).put(10, new byte[] {5, 6, 7});
        CompletableFuture<Void> write = write(ADDRESS, source, 10, 3);
        RawMessage request = request();
        assertEquals(Command.DMA_WRITE, request.command());
        assertArrayEquals(Bytes.of().u64(ADDRESS, 3).u8(5, 6, 7).get(), request.payload());
        reply(request, Bytes.cut(Bytes.of().u64(ADDRESS, 3).get(), replyLength));
        write.get();
    }

    @Test
    void transfersNothingWithoutAMessage() throws Exception {
        read(ADDRESS, ByteBuffer.allocate(1), 0, 0).get();
        assertEquals(0, messenger.messagesSent());
    }

    @Test
    void splitsAtTheLimitOfTheClient() throws Exception {
        messenger.setMaxTransfer(1000);
        ByteBuffer source = ByteBuffer.allocate(2500);
        CompletableFuture<Void> write = write(ADDRESS, source, 0, 2500);
        int[] parts = {1000, 1000, 500};
        long address = ADDRESS;
        for (int part : parts) {
            RawMessage request = request();
            assertEquals(16 + part, request.payload().length);
            assertEquals(address, request.bytes().getLongLE(0));
            reply(request, new byte[0]);
            address += part;
        }
        write.get();
        assertEquals(3, messenger.messagesSent());
    }

    @Test
    void asksForNoMoreThanTheSocketOfTheClientHolds() throws Exception {
        int part = DmaMessenger.MAX_DATA;
        int many = DmaMessenger.MAX_READ_UNDERWAY / part;
        List<CompletableFuture<Void>> reads = new ArrayList<>();
        for (int i = 0; i < 3 * many; i++) {
            reads.add(read(ADDRESS, ByteBuffer.allocate(part), 0, part));
        }
        TestServer.await("all wait", () -> messenger.waiting() == 3 * many);
        assertEquals(many, messenger.messagesSent());
        for (int i = 1; i <= 3 * many; i++) {
            reply(request(), Bytes.of().u64(ADDRESS, part).zeros(part).get());
            assertEquals(Math.min(3 * many, many + i), messenger.messagesSent(), "one more for each answer");
        }
        for (CompletableFuture<Void> read : reads) {
            read.get();
        }
    }

    @Test
    void errorReplyIsAFault() throws Exception {
        CompletableFuture<Void> read = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage request = request();
        answer(request, MessageHeader.TYPE_REPLY | MessageHeader.FLAG_ERROR, Errno.EFAULT, new byte[0]);
        DmaFaultException fault = fault(read);
        assertEquals(ADDRESS, fault.address());
        assertEquals(8, fault.length());
    }

    @Test
    void wrongReadReplyIsAFault() throws Exception {
        byte[][] wrong = {
            new byte[0],
            Bytes.of().u64(ADDRESS, 8).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(7).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(9).get(),
            Bytes.of().u64(ADDRESS + 1, 8).zeros(8).get(),
            Bytes.of().u64(ADDRESS, 7).zeros(8).get(),
            // The older layout of QEMU: data stands where the upper half of the count should.
            Bytes.of().u64(ADDRESS).u32(8).u8(1, 2, 3, 4, 5, 6, 7, 8).zeros(4).get()
        };
        for (byte[] payload : wrong) {
            ByteBuffer target = ByteBuffer.allocate(8);
            CompletableFuture<Void> read = read(ADDRESS, target, 0, 8);
            reply(request(), payload);
            fault(read);
            assertEquals(0, target.getLong(0));
        }
    }

    @Test
    void wrongWriteReplyIsAFault() throws Exception {
        byte[][] wrong = {
            new byte[1],
            Bytes.of().u64(ADDRESS).u32(7).get(),
            Bytes.of().u64(ADDRESS, 9).get(),
            Bytes.of().u64(ADDRESS - 8, 8).get(),
            Bytes.of().u64(ADDRESS, 8).zeros(8).get()
        };
        for (byte[] payload : wrong) {
            CompletableFuture<Void> write = write(ADDRESS, ByteBuffer.allocate(8), 0, 8);
            reply(request(), payload);
            fault(write);
        }
    }

    @Test
    void sendsNothingWhileAClientCommandIsUnanswered() throws Exception {
        output.commandArrived();
        output.commandArrived();
        CompletableFuture<Void> read = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        TestServer.await("worker waits", () -> messenger.waiting() == 1);
        answerCommand(1);
        assertEquals(0, messenger.messagesSent());
        answerCommand(2);
        assertEquals(1, messenger.messagesSent(), "sent right behind the reply");
        assertEquals(1, receive(clientReader).id());
        assertEquals(2, receive(clientReader).id());
        RawMessage request = request();
        reply(request, Bytes.of().u64(ADDRESS, 8).zeros(8).get());
        read.get();
    }

    @Test
    void sendsNothingWhileCommandsAreHereThatNobodyHasLookedAt() throws Exception {
        output.commandArrived();
        CompletableFuture<Void> read = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        TestServer.await("worker waits", () -> messenger.waiting() == 1);
        OutgoingMessage reply = new OutgoingMessage();
        reply.setHeader(1, Command.DEVICE_RESET, 0, MessageHeader.TYPE_REPLY, 0);
        output.reply(reply, null, true);
        assertEquals(0, messenger.messagesSent());
        output.nothingArrived();
        assertEquals(1, messenger.messagesSent());
        receive(clientReader);
        reply(request(), Bytes.of().u64(ADDRESS, 8).zeros(8).get());
        read.get();
    }

    @Test
    void cancellingReleasesWhoWaitsAndForgetsLateReplies() throws Exception {
        CompletableFuture<Void> sent = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage request = request();
        output.commandArrived();
        CompletableFuture<Void> queued = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        TestServer.await("both wait", () -> messenger.waiting() == 2);
        messenger.cancelWaiting();
        assertTrue(fault(sent).isPeerGone(), "no fault of the driver's");
        assertTrue(fault(queued).isPeerGone());
        assertEquals(1, messenger.messagesSent());
        assertTrue(deliver(request.id()), "the answer to a request that was given up");
        assertFalse(deliver(request.id()), "but only one");
    }

    @Test
    void refusesRepliesThatNobodyAskedFor() throws Exception {
        assertFalse(deliver(0));
        CompletableFuture<Void> read = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage request = request();
        assertFalse(deliver(request.id() ^ 0x100));
        reply(request, Bytes.of().u64(ADDRESS, 8).zeros(8).get());
        read.get();
        assertFalse(deliver(request.id()));
    }

    @Test
    void givesUpWhenTheClientDoesNotAnswer() throws Exception {
        messenger = new DmaMessenger(output, 50);
        ByteBuffer target = ByteBuffer.allocate(8);
        assertFalse(fault(read(ADDRESS, target, 0, 8)).isPeerGone());
        RawMessage request = request();
        assertTrue(deliver(request.id()), "late");
        assertEquals(0, target.getLong(0));
        assertEquals(0, messenger.waiting());
    }

    @Test
    void usesAnotherIdAfterGivingUp() throws Exception {
        messenger = new DmaMessenger(output, 50);
        fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8));
        fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8));
        assertNotEquals(request().id(), request().id());
    }

    @Test
    void failsAtOnceWhenClosed() throws Exception {
        CompletableFuture<Void> waiting = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        request();
        messenger.close();
        fault(waiting);
        fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8));
        assertEquals(0, messenger.waiting());
    }

    @Test
    void failsWhenTheClientHasGone() throws Exception {
        sockets.left.close();
        fault(write(ADDRESS, ByteBuffer.allocate(8), 0, 8));
    }

    @Test
    void sessionThreadCannotWaitForItself() {
        messenger.setSessionThread(Thread.currentThread());
        assertThrows(DmaFaultException.class, () -> messenger.read(ADDRESS, ByteBuffer.allocate(8), 0, 8));
        assertEquals(0, messenger.messagesSent());
    }

    @Test
    void manyWorkersGetTheirOwnAnswers() throws Exception {
        int threads = 8;
        int rounds = 300;
        CompletableFuture<?>[] all = new CompletableFuture<?>[threads];
        for (int t = 0; t < threads; t++) {
            long base = (long) t << 32;
            all[t] = CompletableFuture.runAsync(() -> readMany(base, rounds), workers);
        }
        for (int i = 0; i < threads * rounds; i++) {
            RawMessage request = request();
            long address = request.bytes().getLongLE(0);
            int count = (int) request.bytes().getLongLE(8);
            Bytes answer = Bytes.of().u64(address, count);
            for (int k = 0; k < count; k++) {
                answer.u8((int) (address + k) ^ (int) (address >>> 32));
            }
            reply(request, answer.get());
        }
        for (CompletableFuture<?> each : all) {
            each.get();
        }
        assertEquals((long) threads * rounds, messenger.messagesSent());
    }

    private void readMany(long base, int rounds) {
        ByteBuffer target = ByteBuffer.allocateDirect(64);
        for (int i = 0; i < rounds; i++) {
            long address = base + i * 7L;
            int length = 1 + i % 60;
            try {
                messenger.read(address, target, 2, length);
            } catch (DmaFaultException e) {
                throw new AssertionError(e);
            }
            for (int k = 0; k < length; k++) {
                assertEquals((byte) ((int) (address + k) ^ (int) (address >>> 32)), target.get(2 + k));
            }
        }
    }

    private CompletableFuture<Void> read(long address, ByteBuffer target, int offset, int length) {
        DmaMessenger used = messenger;
        return start(() -> used.read(address, target, offset, length));
    }

    private CompletableFuture<Void> write(long address, ByteBuffer source, int offset, int length) {
        DmaMessenger used = messenger;
        return start(() -> used.write(address, source, offset, length));
    }

    private interface Transfer {
        void run() throws DmaFaultException;
    }

    private CompletableFuture<Void> start(Transfer transfer) {
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

    private static DmaFaultException fault(CompletableFuture<Void> transfer) throws Exception {
        ExecutionException e = assertThrows(ExecutionException.class, () -> transfer.get(10, TimeUnit.SECONDS));
        return assertInstanceOf(DmaFaultException.class, e.getCause());
    }

    /** The next request, as the client sees it. */
    private RawMessage request() throws IOException {
        RawMessage request = receive(clientReader);
        assertEquals(MessageHeader.TYPE_COMMAND, request.flags());
        return request;
    }

    /** The client's good answer reaches the session's thread. */
    private void reply(RawMessage request, byte[] payload) throws IOException {
        answer(request, MessageHeader.TYPE_REPLY, 0, payload);
    }

    private void answer(RawMessage request, int flags, int errno, byte[] payload) throws IOException {
        SocketPair.send(sockets.left, RawMessage.encode(request.id(), request.command(), flags, errno, payload));
        assertTrue(messenger.replyArrived(frame(sessionReader)));
    }

    /** A reply to a read that carries ones; whether somebody wanted it. */
    private boolean deliver(int id) throws IOException {
        byte[] payload = Bytes.of().u64(ADDRESS, 8, -1).get();
        SocketPair.send(sockets.left, RawMessage.encode(id, Command.DMA_READ, MessageHeader.TYPE_REPLY, 0, payload));
        return messenger.replyArrived(frame(sessionReader));
    }

    private void answerCommand(int id) throws IOException {
        OutgoingMessage reply = new OutgoingMessage();
        reply.setHeader(id, Command.DEVICE_RESET, 0, MessageHeader.TYPE_REPLY, 0);
        output.reply(reply, null, false);
    }

    private static RawMessage receive(MessageReader reader) throws IOException {
        Frame frame = frame(reader);
        byte[] payload = new byte[frame.payloadLength()];
        frame.bytes().getBytes(frame.payload(), payload);
        MessageHeader header = frame.header();
        return new RawMessage(header.id(), header.command(), header.flags(), header.errno(), payload, List.of());
    }

    private static Frame frame(MessageReader reader) throws IOException {
        Frame frame = new Frame();
        while (!reader.take(frame)) {
            assertEquals(MessageReader.Input.SOME, reader.receive(true));
        }
        return frame;
    }
}
