package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.vfiouser.client.RawMessage;

/** Transfers that end without their answer. */
class DmaMessageEndTest extends MessengerTest {
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
        assertTrue(fault(waiting).isPeerGone());
        assertTrue(fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isPeerGone());
        assertEquals(0, messenger.waiting());
    }

    @Test
    void failsWhenTheClientHasGone() throws Exception {
        sockets.left.close();
        assertTrue(fault(write(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isPeerGone());
    }

    @Test
    void sessionThreadCannotWaitForItself() {
        messenger.setSessionThread(Thread.currentThread());
        assertThrows(DmaFaultException.class, () -> messenger.read(ADDRESS, ByteBuffer.allocate(8), 0, 8));
        assertEquals(0, messenger.messagesSent());
    }

    @Test
    void holdingSendsEveryWorkerBackAndForgetsLateReplies() throws Exception {
        CompletableFuture<Void> sent = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage request = request();
        output.commandArrived();
        CompletableFuture<Void> queued = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        TestServer.await("both wait", () -> messenger.waiting() == 2);
        messenger.hold();
        assertTrue(fault(sent).isNotNow(), "nobody's fault");
        assertTrue(fault(queued).isNotNow());
        assertTrue(fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isNotNow(), "no more are let in");
        assertEquals(1, messenger.messagesSent());
        messenger.release();
        answerCommand(1);
        receive(clientReader);
        CompletableFuture<Void> again = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        RawMessage next = request();
        assertTrue(deliver(request.id()), "the answer to a request that was given up");
        assertFalse(deliver(request.id()), "but only one");
        reply(next, Bytes.of().u64(ADDRESS, 8).zeros(8).get());
        again.get();
    }

    @Test
    void endIsNotUndoneByHolding() throws Exception {
        messenger.close();
        messenger.hold();
        messenger.release();
        assertTrue(fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isPeerGone());
    }
}
