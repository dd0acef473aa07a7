package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.vfiouser.client.BufferDmaTarget;
import org.virtiobackend.vfiouser.client.ClientOptions;
import org.virtiobackend.vfiouser.client.DmaLayout;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** DMA by messages over a whole session: memory that was mapped without a file, and the rule against deadlock. */
@Timeout(60)
class DmaSessionTest {
    private static final long ADDRESS = 0x1_0000_0000L;
    private static final int BYTES = 3 << 20;

    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private TestServer server;

    @TempDir
    private Path directory;

    /** So patient that only a real deadlock would show. */
    @BeforeEach
    void start() throws IOException {
        server = new TestServer(directory, new SessionTimes(20_000, 20_000, 20_000));
    }

    @AfterEach
    void stop() throws InterruptedException {
        server.close();
        worker.shutdown();
        assertTrue(worker.awaitTermination(10, TimeUnit.SECONDS), "the worker hangs");
    }

    @Test
    void readsAndWritesMemoryOfTheClient() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        int messages = 2 * BYTES / DmaMessenger.MAX_DATA;
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            memory.put(5, (byte) 77).put(BYTES - 1, (byte) 78);
            onWorker(() -> area.fetch(0, BYTES)).get();
            assertEquals(77, area.getU8(5));
            assertEquals(78, area.getU8(BYTES - 1));
            area.putU32(1 << 20, 0xdeadbeef);
            onWorker(() -> area.flush(4, BYTES - 4)).get();
            assertEquals((byte) 0xef, memory.get(1 << 20));
            assertEquals(messages, client.dmaMessagesServed());
            assertEquals(messages, server.server.dmaMessagesSent());
        }
        TestServer.await("session gone", () -> server.server.sessionCount() == 0);
        assertEquals(messages, server.server.dmaMessagesSent(), "counted after the client has gone");
    }

    @Test
    void keepsToTheTransferSizeOfTheClient() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        Capabilities small = new Capabilities(1, 512, 65535, 4096);
        try (VfioUserClient client = server.client(serving(memory, small, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            onWorker(() -> area.fetch(100, 5000)).get();
            assertEquals(10, client.dmaMessagesServed());
        }
    }

    @Test
    void clientCommandsGoOnMeanwhile() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            CompletableFuture<Void> transfers = onWorker(() -> {
                for (int i = 0; i < 3000; i++) {
                    area.fetch(i, 16);
                    area.flush(i, 16);
                }
            });
            long done = 0;
            while (!transfers.isDone()) {
                client.regionWrite(0, 8, 8, ++done, done % 2 == 0);
                assertEquals(done, client.regionRead(0, 8, 8));
            }
            transfers.get();
            assertEquals(6000, client.dmaMessagesServed());
        }
    }

    @Test
    void olderLayoutOfQemuFaultsInsteadOfShiftingData() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        memory.putLong(0, -1).putLong(8, -1);
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.COUNT32))) {
            RingAccess area = area(client, server.function());
            fault(onWorker(() -> area.fetch(0, 16)));
            onWorker(() -> area.flush(64, 16)).get(); // header-only reply
        }
    }

    @Test
    void refusalOfTheClientIsAFault() throws Exception {
        try (VfioUserClient client =
                server.client(serving(ByteBuffer.allocateDirect(4096), Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            fault(onWorker(() -> area.fetch(4096 - 8, 16)));
            onWorker(() -> area.fetch(4096 - 16, 16)).get();
        }
    }

    @Test
    void nothingIsSentWhileACommandIsUnanswered() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CountDownLatch entered = new CountDownLatch(1);
            CountDownLatch release = new CountDownLatch(1);
            function.hook = (region, offset, length) -> {
                entered.countDown();
                awaitLatch(release);
            };
            byte[] first = RawMessage.command(1, Command.REGION_WRITE, write(0));
            byte[] second = RawMessage.command(2, Command.REGION_WRITE, write(0));
            client.send(Bytes.of().raw(first).raw(second).get());
            awaitLatch(entered);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            TestServer.await("worker waits", () -> dmaWaiters(function) == 1);
            assertEquals(0, function.session.dmaMessagesSent());
            release.countDown();
            assertEquals(1, assertOk(client.receive()).id());
            assertEquals(2, assertOk(client.receive()).id());
            answerRead(client, client.receive());
            fetch.get();
        }
    }

    @Test
    void postedWritesDoNotHoldBackDma() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CountDownLatch release = new CountDownLatch(1);
            CountDownLatch entered = new CountDownLatch(1);
            function.hook = (region, offset, length) -> {
                entered.countDown();
                awaitLatch(release);
            };
            send(client, 1, write(0), MessageHeader.FLAG_NO_REPLY);
            awaitLatch(entered);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            RawMessage request = client.receive();
            assertEquals(Command.DMA_READ, request.command());
            release.countDown();
            answerRead(client, request);
            fetch.get();
        }
    }

    @Test
    void usualPatienceEndsBeforeThatOfQemu() {
        assertTrue(2 * SessionTimes.DEFAULT.cancelMillis() <= 2000);
        assertTrue(SessionTimes.DEFAULT.dmaMillis() <= 5000);
    }

    @Test
    void waitingCommandStillTakesDmaReplies() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            RawMessage request = client.receive();
            function.hook = (region, offset, length) -> waitOnSession(function, fetch);
            send(client, 1, write(0), 0); // waits for the worker
            for (int id = 2; id < 50; id++) {
                send(client, id, write(id), id % 2 == 0 ? MessageHeader.FLAG_NO_REPLY : 0);
            }
            answerRead(client, request);
            fetch.get();
            assertEquals(1, assertOk(client.receive()).id());
            for (int id = 3; id < 50; id += 2) {
                assertEquals(id, assertOk(client.receive()).id());
            }
        }
    }

    @Test
    void workerIsReleasedWhenTheClientWaitsForUsFirst() throws Exception {
        restartImpatient();
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            RawMessage request = client.receive();
            function.hook = (region, offset, length) -> waitOnSession(function, fetch);
            send(client, 1, write(0), 0);
            assertEquals(1, assertOk(client.receive()).id());
            fault(fetch);
            // QEMU answers now, and the session takes no notice.
            answerRead(client, request);
            function.hook = (region, offset, length) -> {};
            CompletableFuture<Void> again = onWorker(() -> area.fetch(0, 8));
            answerRead(client, client.receive());
            again.get();
        }
    }

    @Test
    void workerThatWaitsForItsTurnIsReleasedToo() throws Exception {
        restartImpatient();
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<CompletableFuture<Void>> started = new CompletableFuture<>();
            function.hook = (region, offset, length) -> {
                CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
                waitOnSession(function, fetch);
                started.complete(fetch);
            };
            send(client, 1, write(0), 0);
            assertEquals(1, assertOk(client.receive()).id());
            fault(started.get());
            assertEquals(0, function.session.dmaMessagesSent());
        }
    }

    @Test
    void sessionThreadGetsAFaultAtOnce() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Throwable> seen = new CompletableFuture<>();
            function.hook = (region, offset, length) ->
                    seen.complete(assertThrows(DmaFaultException.class, () -> area.fetch(0, 8)));
            send(client, 1, write(0), 0);
            assertOk(client.receive());
            assertInstanceOf(DmaFaultException.class, seen.get());
        }
    }

    @Test
    void deathOfTheClientReleasesTheWorker() throws Exception {
        RawConnection client = server.negotiated();
        FakeFunction function = server.function();
        RingAccess area = area(client, function);
        CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
        client.receive();
        client.close();
        fault(fetch);
        TestServer.await("session gone", () -> server.server.sessionCount() == 0);
        assertTrue(function.closed);
        assertEquals(0, function.dmaMap.regionCount());
    }

    @Test
    void deathOfTheClientEndsTheWaitOfACommand() throws Exception {
        RawConnection client = server.negotiated();
        FakeFunction function = server.function();
        RingAccess area = area(client, function);
        CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
        client.receive();
        CountDownLatch entered = new CountDownLatch(1);
        function.hook = (region, offset, length) -> {
            entered.countDown();
            waitOnSession(function, fetch);
        };
        send(client, 1, write(0), 0);
        awaitLatch(entered);
        client.close();
        fault(fetch);
        TestServer.await("session gone", () -> server.server.sessionCount() == 0);
    }

    @Test
    void closingTheServerReleasesTheWorker() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            client.receive();
            server.close();
            fault(fetch);
            assertNull(client.receive());
            assertEquals(0, server.server.sessionCount());
        }
    }

    @Test
    void readAheadIsBounded() throws Exception {
        restartImpatient();
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            RawMessage request = client.receive();
            function.hook = (region, offset, length) -> waitOnSession(function, fetch);
            send(client, 1, write(0), 0);
            // Far more than is read ahead: the answer behind it is not seen in time, and everything is executed
            // afterwards.
            byte[] flood = RawMessage.encode(2, Command.REGION_WRITE, MessageHeader.FLAG_NO_REPLY, 0, write(2));
            CompletableFuture<Void> sender = CompletableFuture.runAsync(() -> {
                try {
                    for (int i = 0; i < 3000; i++) {
                        client.send(flood);
                    }
                    answerRead(client, request);
                    send(client, 3, write(3), 0);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
            assertEquals(1, assertOk(client.receive()).id());
            assertEquals(3, assertOk(client.receive()).id());
            sender.get();
            fault(fetch);
        }
    }

    private void restartImpatient() throws IOException {
        server.close();
        server = new TestServer(directory, new SessionTimes(20_000, 20_000, 100));
    }

    private static void waitOnSession(FakeFunction function, CompletableFuture<Void> transfer) {
        while (!transfer.isDone()) {
            function.session.await(transfer::isDone);
        }
    }

    private static int dmaWaiters(FakeFunction function) {
        return ((Session) function.session).dmaWaiters();
    }

    private static ClientOptions serving(ByteBuffer memory, Capabilities capabilities, DmaLayout layout) {
        BufferDmaTarget target = new BufferDmaTarget(ADDRESS, memory);
        return ClientOptions.DEFAULT.withCapabilities(capabilities).withDmaTarget(target, layout);
    }

    private RingAccess area(VfioUserClient client, FakeFunction function) throws Exception {
        client.dmaMap(ADDRESS, BYTES, 3, null, 0);
        return attach(function);
    }

    private RingAccess area(RawConnection client, FakeFunction function) throws Exception {
        client.send(RawMessage.command(
                9, Command.DMA_MAP, Bytes.of().u32(32, 3).u64(0, ADDRESS, BYTES).get()));
        assertOk(client.receive());
        return attach(function);
    }

    private static RingAccess attach(FakeFunction function) throws DmaFaultException {
        RingAccess area = new RingAccess();
        function.dmaMap.newSpace().attach(ADDRESS, BYTES, 4096, DmaAccess.WRITE, area);
        assertTrue(area.isRemote());
        return area;
    }

    private static byte[] write(int value) {
        return Bytes.of().u64(16).u32(0, 4).u32(value).get();
    }

    private static void send(RawConnection client, int id, byte[] payload, int flags) throws IOException {
        client.send(RawMessage.encode(id, Command.REGION_WRITE, flags, 0, payload));
    }

    private static void answerRead(RawConnection client, RawMessage request) throws IOException {
        assertFalse(request.isReply());
        assertEquals(Command.DMA_READ, request.command());
        byte[] payload = Bytes.of()
                .raw(request.payload())
                .zeros((int) request.bytes().getLongLE(8))
                .get();
        client.send(RawMessage.encode(request.id(), Command.DMA_READ, MessageHeader.TYPE_REPLY, 0, payload));
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            assertTrue(latch.await(TestServer.WAIT_MILLIS, TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private interface Work {
        void run() throws DmaFaultException;
    }

    private CompletableFuture<Void> onWorker(Work work) {
        CompletableFuture<Void> result = new CompletableFuture<>();
        worker.execute(() -> {
            try {
                work.run();
                result.complete(null);
            } catch (Throwable t) {
                result.completeExceptionally(t);
            }
        });
        return result;
    }

    private static void fault(CompletableFuture<Void> transfer) {
        ExecutionException e = assertThrows(ExecutionException.class, () -> transfer.get(10, TimeUnit.SECONDS));
        assertInstanceOf(DmaFaultException.class, e.getCause());
    }
}
