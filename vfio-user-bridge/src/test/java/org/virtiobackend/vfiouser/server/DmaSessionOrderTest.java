package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** The rule against deadlock: who has to wait for whom. */
class DmaSessionOrderTest extends SessionDmaTest {
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
    void usualPatienceEndsBeforeThatOfQemu() {
        assertTrue(SessionTimes.DEFAULT.dmaMillis() <= 5000);
    }

    /** The client may be waiting for the answer to its command before it looks at anything else, as QEMU does. */
    @Test
    void commandThatWaitsForAWorkerSendsItBackAtOnce() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            RawMessage request = client.receive();
            function.hook = (region, offset, length) -> waitOnSession(function, fetch);
            send(client, 1, write(0), 0);
            for (int id = 2; id < 50; id++) {
                send(client, id, write(id), id % 2 == 0 ? MessageHeader.FLAG_NO_REPLY : 0);
            }
            assertEquals(1, assertOk(client.receive()).id());
            assertTrue(fault(fetch).isNotNow());
            for (int id = 3; id < 50; id += 2) {
                assertEquals(id, assertOk(client.receive()).id());
            }
            // QEMU answers now, and the session takes no notice.
            answerRead(client, request);
            function.hook = (region, offset, length) -> {};
            CompletableFuture<Void> again = onWorker(() -> area.fetch(0, 8));
            answerRead(client, client.receive());
            again.get();
        }
    }

    @Test
    void workerThatWaitsForItsTurnIsSentBackToo() throws Exception {
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
            assertTrue(fault(started.get()).isNotNow());
            assertEquals(0, function.session.dmaMessagesSent());
        }
    }
}
