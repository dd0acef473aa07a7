package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.virtiobackend.vfiouser.server.TestServer.assertErrno;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** What a client does to the stream itself. Hostile driver list, row 36. */
@Timeout(60)
class FramingTest {
    private static final byte[] GET_INFO = Bytes.of().u32(16, 0, 0, 0).get();
    private static final byte[] INFO = Bytes.of().u32(16, 3, 9, 5).get();

    private TestServer server;
    private RawConnection client;
    private VfioUserClient other;

    @BeforeEach
    void connect(@TempDir Path directory) throws IOException {
        server = new TestServer(directory);
        other = server.client();
        client = server.negotiated();
    }

    @AfterEach
    void otherClientIsUnharmed() throws IOException {
        other.deviceInfo();
        other.close();
        client.close();
        server.close();
    }

    @Test
    void answersAMessageThatArrivesByteByByte() throws IOException {
        byte[] message = RawMessage.command(5, Command.DEVICE_GET_INFO, GET_INFO);
        for (int i = 0; i < message.length; i++) {
            client.send(message, i, 1);
        }
        assertArrayEquals(INFO, assertOk(client.receive()).payload());
    }

    @Test
    void answersPipelinedMessagesInOrder() throws IOException {
        Bytes stream = Bytes.of();
        for (int id = 0; id < 500; id++) {
            stream.raw(RawMessage.command(id, Command.DEVICE_GET_INFO, GET_INFO));
        }
        client.send(stream.get());
        for (int id = 0; id < 500; id++) {
            RawMessage reply = assertOk(client.receive());
            assertEquals(id, reply.id());
            assertArrayEquals(INFO, reply.payload());
        }
    }

    @Test
    void answersPipelinedMessagesCutAnywhere() throws IOException {
        Bytes stream = Bytes.of();
        for (int id = 0; id < 40; id++) {
            stream.raw(RawMessage.command(id, Command.DEVICE_GET_INFO, GET_INFO));
        }
        byte[] bytes = stream.get();
        for (int step : new int[] {1, 3, 15, 16, 17, 31, 33, 100}) {
            for (int at = 0; at < bytes.length; at += step) {
                client.send(bytes, at, Math.min(step, bytes.length - at));
            }
            for (int id = 0; id < 40; id++) {
                assertEquals(id, assertOk(client.receive()).id());
            }
        }
    }

    @Test
    void echoesTheIdWhateverItIs() throws IOException {
        for (int id : new int[] {0, 0, 1, 0x7fff, 0x8000, 0xffff, 0xffff}) {
            client.send(RawMessage.command(id, Command.DEVICE_GET_INFO, GET_INFO));
            assertEquals(id, assertOk(client.receive()).id());
        }
    }

    @Test
    void ignoresErrnoAndErrorFlagOfACommand() throws IOException {
        client.send(RawMessage.encode(1, Command.DEVICE_GET_INFO, MessageHeader.FLAG_ERROR, 99, GET_INFO));
        assertOk(client.receive());
    }

    @Test
    void refusesAReplyThatNobodyWaitsForAndGoesOn() throws IOException {
        client.send(RawMessage.encode(1, Command.DEVICE_GET_INFO, MessageHeader.TYPE_REPLY, 0, GET_INFO));
        assertErrno(Errno.EINVAL, client.receive());
        client.send(RawMessage.encode(2, Command.DMA_READ, MessageHeader.TYPE_REPLY, 0, new byte[100]));
        assertErrno(Errno.EINVAL, client.receive());
        client.send(RawMessage.encode(3, Command.DEVICE_GET_INFO, 5, 0, GET_INFO));
        assertErrno(Errno.EINVAL, client.receive());
        client.send(RawMessage.command(4, Command.DEVICE_GET_INFO, GET_INFO));
        assertEquals(4, assertOk(client.receive()).id());
    }

    @Test
    void answersAndClosesOnAHeaderSmallerThanAHeader() throws IOException {
        sendWithSize(15);
        assertErrno(Errno.EINVAL, client.receive());
        assertNull(client.receive());
    }

    @Test
    void answersAndClosesOnASizeBeyondTheLimit() throws IOException {
        sendWithSize(Limits.MAX_MESSAGE + 1);
        assertErrno(Errno.EINVAL, client.receive());
        assertNull(client.receive());
    }

    @Test
    void answersAndClosesOnTheLargestSize() throws IOException {
        sendWithSize(0xffff_ffffL);
        assertErrno(Errno.EINVAL, client.receive());
        assertNull(client.receive());
    }

    @Test
    void closesWithoutAnAnswerWhenNoneIsWanted() throws IOException {
        byte[] message = RawMessage.encode(1, Command.REGION_WRITE, MessageHeader.FLAG_NO_REPLY, 0, GET_INFO);
        message[4] = 0;
        client.send(message);
        assertNull(client.receive());
    }

    @Test
    void answersWhatCameBeforeABrokenFrame() throws IOException {
        byte[] broken = RawMessage.command(2, Command.DEVICE_GET_INFO, GET_INFO);
        broken[4] = 3;
        client.send(Bytes.of()
                .raw(RawMessage.command(1, Command.DEVICE_GET_INFO, GET_INFO))
                .raw(broken)
                .raw(RawMessage.command(3, Command.DEVICE_GET_INFO, GET_INFO))
                .get());
        assertEquals(1, assertOk(client.receive()).id());
        assertErrno(Errno.EINVAL, client.receive());
        assertNull(client.receive());
    }

    @Test
    void takesTheLargestMessage() throws IOException {
        client.send(RawMessage.command(1, Command.DEVICE_RESET, new byte[Limits.MAX_MESSAGE - 16]));
        assertOk(client.receive());
    }

    @Test
    void refusesMoreDescriptorsThanItTakes() throws IOException {
        try (EventFd eventFd = EventFd.create()) {
            int before = TestServer.openFds();
            Fd[] flood = Collections.nCopies(32, eventFd.fd()).toArray(Fd[]::new);
            byte[] message = RawMessage.command(1, Command.DEVICE_GET_INFO, GET_INFO);
            for (int i = 0; i < message.length - 1; i++) {
                client.send(message, i, 1, flood);
            }
            TestServer.await("surplus closed", () -> TestServer.openFds() <= before + 32);
            client.send(message, message.length - 1, 1);
            assertErrno(Errno.EINVAL, client.receive());
            TestServer.awaitFds(before);
        }
    }

    @Test
    void closesDescriptorsOfAMessageThatNeverEnds() throws Exception {
        try (EventFd eventFd = EventFd.create()) {
            int before = TestServer.openFds();
            byte[] message = RawMessage.command(1, Command.DMA_MAP, new byte[32]);
            client.send(Arrays.copyOf(message, 20), eventFd.fd());
            TestServer.await("descriptor received", () -> TestServer.openFds() > before);
            client.shutdown();
            TestServer.await("session gone", () -> server.server.sessionCount() == 1);
            TestServer.awaitFds(before - 2);
        }
    }

    private void sendWithSize(long size) throws IOException {
        byte[] message = RawMessage.command(1, Command.DEVICE_GET_INFO, GET_INFO);
        for (int i = 0; i < 4; i++) {
            message[4 + i] = (byte) (size >>> 8 * i);
        }
        client.send(message);
    }
}
