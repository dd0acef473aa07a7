package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import java.io.IOException;
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

/** A whole session whose client has memory that was mapped without a file: it is reached by messages. */
@Timeout(60)
abstract class SessionDmaTest {
    static final long ADDRESS = 0x1_0000_0000L;
    static final int BYTES = 3 << 20;

    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    TestServer server;

    @TempDir
    private Path directory;

    /** So patient that only a real deadlock would show. */
    @BeforeEach
    void start() throws IOException {
        server = new TestServer(directory, new SessionTimes(20_000, 20_000));
    }

    @AfterEach
    void stop() throws InterruptedException {
        server.close();
        worker.shutdown();
        assertTrue(worker.awaitTermination(10, TimeUnit.SECONDS), "the worker hangs");
    }

    static void waitOnSession(FakeFunction function, CompletableFuture<Void> transfer) {
        while (!transfer.isDone()) {
            function.session.await(transfer::isDone);
        }
    }

    static int dmaWaiters(FakeFunction function) {
        return ((Session) function.session).dmaWaiters();
    }

    static ClientOptions serving(ByteBuffer memory, Capabilities capabilities, DmaLayout layout) {
        BufferDmaTarget target = new BufferDmaTarget(ADDRESS, memory);
        return ClientOptions.DEFAULT.withCapabilities(capabilities).withDmaTarget(target, layout);
    }

    RingAccess area(VfioUserClient client, FakeFunction function) throws Exception {
        client.dmaMap(ADDRESS, BYTES, 3, null, 0);
        return attach(function);
    }

    RingAccess area(RawConnection client, FakeFunction function) throws Exception {
        client.send(RawMessage.command(
                9, Command.DMA_MAP, Bytes.of().u32(32, 3).u64(0, ADDRESS, BYTES).get()));
        assertOk(client.receive());
        return attach(function);
    }

    static RingAccess attach(FakeFunction function) throws DmaFaultException {
        RingAccess area = new RingAccess();
        function.dmaMap.newSpace().attach(ADDRESS, BYTES, 4096, DmaAccess.WRITE, area);
        assertTrue(area.isRemote());
        return area;
    }

    static byte[] write(int value) {
        return Bytes.of().u64(16).u32(0, 4).u32(value).get();
    }

    static void send(RawConnection client, int id, byte[] payload, int flags) throws IOException {
        client.send(RawMessage.encode(id, Command.REGION_WRITE, flags, 0, payload));
    }

    static void answerRead(RawConnection client, RawMessage request) throws IOException {
        assertFalse(request.isReply());
        assertEquals(Command.DMA_READ, request.command());
        byte[] payload = Bytes.of()
                .raw(request.payload())
                .zeros((int) request.bytes().getLongLE(8))
                .get();
        client.send(RawMessage.encode(request.id(), Command.DMA_READ, MessageHeader.TYPE_REPLY, 0, payload));
    }

    static void awaitLatch(CountDownLatch latch) {
        try {
            assertTrue(latch.await(TestServer.WAIT_MILLIS, TimeUnit.MILLISECONDS));
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    interface Work {
        void run() throws DmaFaultException;
    }

    CompletableFuture<Void> onWorker(Work work) {
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

    static DmaFaultException fault(CompletableFuture<Void> transfer) {
        ExecutionException e = assertThrows(ExecutionException.class, () -> transfer.get(10, TimeUnit.SECONDS));
        return assertInstanceOf(DmaFaultException.class, e.getCause());
    }
}
