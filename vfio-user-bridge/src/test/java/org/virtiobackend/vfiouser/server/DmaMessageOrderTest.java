package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** When a DMA message may be sent. */
class DmaMessageOrderTest extends MessengerTest {
    @Test
    void asksForNoMoreThanTheSocketOfTheClientHolds() throws Exception {
        int part = DmaMessenger.MAX_DATA;
        int many = DmaMessages.MAX_READ_UNDERWAY / part;
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

    /** A reply that nobody waits for any more fills the client's socket as any other. */
    @Test
    void repliesToWhatWasGivenUpTakeRoomUntilTheyHaveCome() throws Exception {
        int part = DmaMessenger.MAX_DATA;
        int many = DmaMessages.MAX_READ_UNDERWAY / part;
        List<CompletableFuture<Void>> reads = new ArrayList<>();
        for (int i = 0; i < many; i++) {
            reads.add(read(ADDRESS, ByteBuffer.allocate(part), 0, part));
        }
        TestServer.await("all asked for", () -> messenger.messagesSent() == many);
        messenger.hold();
        for (CompletableFuture<Void> each : reads) {
            assertTrue(fault(each).isNotNow());
        }
        messenger.release();
        CompletableFuture<Void> again = read(ADDRESS, ByteBuffer.allocate(part), 0, part);
        TestServer.await("worker waits", () -> messenger.waiting() == 1);
        assertEquals(many, messenger.messagesSent(), "no room yet");
        reply(request(), Bytes.of().u64(ADDRESS, part).zeros(part).get());
        assertEquals(many + 1, messenger.messagesSent(), "room for one more");
        for (int i = 0; i < many; i++) {
            reply(request(), Bytes.of().u64(ADDRESS, part).zeros(part).get());
        }
        again.get();
    }

    /** It will not come back as it was, so there is nothing to wait for. */
    @Test
    void failsForWhatIsMappedInAnotherWayMeanwhile() throws Exception {
        messenger.setMapped((address, length, access) -> DmaMap.Presence.OTHERWISE);
        assertFalse(fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isNotNow());
        assertEquals(0, messenger.messagesSent());
    }

    @Test
    void asksForNothingThatWasUnmappedMeanwhile() throws Exception {
        messenger.setMapped(
                (address, length, access) -> address == ADDRESS ? DmaMap.Presence.NONE : DmaMap.Presence.REMOTE);
        output.commandArrived();
        CompletableFuture<Void> gone = read(ADDRESS, ByteBuffer.allocate(8), 0, 8);
        TestServer.await("worker waits", () -> messenger.waiting() == 1);
        answerCommand(1);
        assertTrue(fault(gone).isNotNow());
        assertTrue(fault(read(ADDRESS, ByteBuffer.allocate(8), 0, 8)).isNotNow());
        assertEquals(0, messenger.messagesSent());
        CompletableFuture<Void> other = read(ADDRESS + 8, ByteBuffer.allocate(8), 0, 8);
        receive(clientReader);
        reply(request(), Bytes.of().u64(ADDRESS + 8, 8).zeros(8).get());
        other.get();
    }
}
