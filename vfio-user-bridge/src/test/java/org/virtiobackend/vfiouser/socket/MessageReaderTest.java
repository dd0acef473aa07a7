package org.virtiobackend.vfiouser.socket;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.server.TestServer;
import org.virtiobackend.vfiouser.wire.Limits;
import org.virtiobackend.vfiouser.wire.MessageHeader;

@Timeout(60)
class MessageReaderTest {
    private static final int FILES = 40;

    private SocketPair sockets;
    private MessageReader reader;
    private final Frame frame = new Frame();
    private final MemFd[] files = new MemFd[FILES];

    @BeforeEach
    void open(@TempDir Path directory) throws IOException {
        sockets = new SocketPair(directory);
        reader = new MessageReader(sockets.right);
        for (int i = 0; i < FILES; i++) {
            files[i] = MemFd.create("file-" + i, 4096);
        }
    }

    @AfterEach
    void close() {
        reader.close();
        sockets.close();
        for (MemFd file : files) {
            file.close();
        }
    }

    @Test
    void takesMessagesThatArriveTogetherWithOneSystemCall() throws IOException {
        send(message(1, 0), message(2, 100), message(3, 16));
        assertEquals(MessageReader.Input.SOME, reader.receive(true));
        takeHere(1, 0);
        takeHere(2, 100);
        takeHere(3, 16);
        assertFalse(reader.take(frame));
        assertEquals(MessageReader.Input.NOTHING, reader.receive(false));
    }

    @Test
    void takesAMessageThatArrivesByteByByte() throws IOException {
        byte[] message = message(9, 50);
        for (int i = 0; i < message.length; i++) {
            assertFalse(reader.take(frame));
            SocketPair.send(sockets.left, new byte[] {message[i]});
            assertEquals(MessageReader.Input.SOME, reader.receive(true));
        }
        takeHere(9, 50);
    }

    @Test
    void takesDescriptorsOfEveryByte() throws IOException {
        byte[] message = message(9, 4);
        for (int i = 0; i < message.length; i++) {
            SocketPair.send(sockets.left, new byte[] {message[i]}, files[i].fd());
        }
        takeNext(9, 4);
        assertFiles(0, message.length);
        assertFalse(frame.fdsLost());
    }

    @Test
    void givesDescriptorsToTheirOwnMessages() throws IOException {
        SocketPair.send(sockets.left, message(1, 8));
        SocketPair.send(sockets.left, message(2, 8), files[0].fd());
        SocketPair.send(sockets.left, message(3, 8));
        SocketPair.send(sockets.left, message(4, 0), files[1].fd(), files[2].fd());
        SocketPair.send(sockets.left, message(5, 8), files[3].fd());
        SocketPair.send(sockets.left, message(6, 8));
        takeNext(1, 8);
        assertFiles(0, 0);
        takeNext(2, 8);
        assertFiles(0, 1);
        takeNext(3, 8);
        assertFiles(0, 0);
        takeNext(4, 0);
        assertFiles(1, 3);
        takeNext(5, 8);
        assertFiles(3, 4);
        takeNext(6, 8);
        assertFiles(0, 0);
    }

    @Test
    void keepsDescriptorsApartWhenOneMessageEndsAndTheNextBegins() throws IOException {
        byte[] first = message(1, 300);
        SocketPair.send(sockets.left, Arrays.copyOf(first, 100), files[0].fd());
        SocketPair.send(sockets.left, Arrays.copyOfRange(first, 100, first.length));
        SocketPair.send(sockets.left, message(2, 20), files[1].fd());
        takeNext(1, 300);
        assertFiles(0, 1);
        takeNext(2, 20);
        assertFiles(1, 2);
    }

    @Test
    void marksAMessageWithMoreDescriptorsThanFit() throws IOException {
        byte[] message = message(1, 24);
        for (int i = 0; i < FILES; i++) {
            SocketPair.send(sockets.left, new byte[] {message[i]}, files[i].fd());
        }
        SocketPair.send(sockets.left, message(2, 0), files[0].fd());
        takeNext(1, 24);
        assertTrue(frame.fdsLost());
        assertEquals(UnixSocket.MAX_FDS, frame.fdCount());
        frame.closeFds();
        takeNext(2, 0);
        assertFalse(frame.fdsLost());
        assertFiles(0, 1);
    }

    @Test
    void marksAMessageWhoseDescriptorsWereCutOff() throws IOException {
        int before = TestServer.openFds();
        FdFlood.send(sockets.left, message(1, 8), files[0].fd(), 200);
        FdFlood.send(sockets.left, message(2, 8), files[0].fd(), UnixSocket.MAX_FDS);
        takeNext(1, 8);
        assertTrue(frame.fdsLost());
        frame.closeFds();
        takeNext(2, 8);
        assertFalse(frame.fdsLost());
        assertEquals(UnixSocket.MAX_FDS, frame.fdCount());
        frame.closeFds();
        TestServer.awaitFds(before);
    }

    @Test
    void closesDescriptorsOfMessagesThatNobodyTakes() throws IOException {
        int before = TestServer.openFds();
        SocketPair.send(sockets.left, message(1, 8), files[0].fd(), files[1].fd());
        SocketPair.send(sockets.left, Arrays.copyOf(message(2, 8), 5), files[2].fd());
        reader.receive(true);
        reader.receive(true);
        TestServer.awaitFds(before + 3);
        reader.close();
        TestServer.awaitFds(before);
    }

    @Test
    void takesTheLargestMessage() throws Exception {
        byte[] message = message(1, Limits.MAX_MESSAGE - MessageHeader.SIZE);
        Thread sender = sendInBackground(message);
        takeNext(1, message.length - MessageHeader.SIZE);
        sender.join();
    }

    @Test
    void takesAStreamOfMessagesOfAllSizes() throws Exception {
        Random random = new Random(42);
        int[] lengths = random.ints(2000, 0, 40_000).toArray();
        Thread sender = new Thread(() -> {
            try {
                for (int i = 0; i < lengths.length; i++) {
                    Fd[] fds = i % 3 == 0 ? new Fd[] {files[i % FILES].fd()} : new Fd[0];
                    SocketPair.send(sockets.left, message(i & 0xffff, lengths[i]), fds);
                }
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        sender.start();
        for (int i = 0; i < lengths.length; i++) {
            takeNext(i & 0xffff, lengths[i]);
            assertFiles(i % FILES, i % FILES + (i % 3 == 0 ? 1 : 0));
        }
        sender.join();
    }

    @Test
    void keepsAPinnedMessageWhileItReadsOn() throws Exception {
        Frame pinned = new Frame();
        send(message(1, 12_000));
        while (!reader.take(pinned)) {
            reader.receive(true);
        }
        reader.pin();
        for (int i = 2; i < 20; i++) {
            Thread sender = sendInBackground(message(i, 9_000));
            takeNext(i, 9_000);
            sender.join();
            check(pinned, 1, 12_000);
        }
        reader.release();
        send(message(30, 40));
        takeNext(30, 40);
    }

    @Test
    void refusesSizesThatCannotBe() throws IOException {
        for (long size : new long[] {0, 1, 15, Limits.MAX_MESSAGE + 1, 0x7fff_ffffL, 0x8000_0000L, 0xffff_ffffL}) {
            MessageReader fresh = new MessageReader(sockets.right);
            byte[] message = message(5, 0);
            for (int i = 0; i < 4; i++) {
                message[4 + i] = (byte) (size >>> 8 * i);
            }
            SocketPair.send(sockets.left, message);
            fresh.receive(true);
            BrokenFrameException e = assertThrows(BrokenFrameException.class, () -> fresh.take(frame));
            assertEquals(5, e.id());
            assertTrue(e.wantsReply());
        }
    }

    @Test
    void seesTheEnd() throws IOException {
        SocketPair.send(sockets.left, Arrays.copyOf(message(1, 8), 20));
        sockets.left.close();
        assertEquals(MessageReader.Input.SOME, reader.receive(true));
        assertEquals(MessageReader.Input.END, reader.receive(true));
        assertFalse(reader.take(frame));
        assertTrue(reader.isInsideMessage());
    }

    private void takeHere(int id, int payloadLength) throws IOException {
        assertTrue(reader.take(frame));
        check(frame, id, payloadLength);
    }

    private void takeNext(int id, int payloadLength) throws IOException {
        while (!reader.take(frame)) {
            assertEquals(MessageReader.Input.SOME, reader.receive(true));
        }
        check(frame, id, payloadLength);
    }

    private static void check(Frame frame, int id, int payloadLength) {
        assertEquals(id, frame.header().id());
        assertEquals(payloadLength, frame.payloadLength());
        for (int i = 0; i < payloadLength; i++) {
            assertEquals((byte) (id + i * 7), frame.bytes().getByte(frame.payload() + i));
        }
    }

    /** The frame has exactly these files, in this order; they are closed. */
    private void assertFiles(int from, int to) throws IOException {
        assertEquals(to - from, frame.fdCount());
        for (int i = from; i < to; i++) {
            try (Fd fd = frame.takeFd(i - from)) {
                assertEquals(target(files[i].fd()), target(fd));
            }
        }
        frame.closeFds();
    }

    private static String target(Fd fd) throws IOException {
        return Files.readSymbolicLink(Path.of("/proc/self/fd/" + fd.value())).toString();
    }

    private Thread sendInBackground(byte[] message) {
        Thread sender = new Thread(() -> {
            try {
                SocketPair.send(sockets.left, message);
            } catch (IOException e) {
                throw new java.io.UncheckedIOException(e);
            }
        });
        sender.start();
        return sender;
    }

    private void send(byte[]... messages) throws IOException {
        int length = Arrays.stream(messages).mapToInt(m -> m.length).sum();
        byte[] all = new byte[length];
        int at = 0;
        for (byte[] message : messages) {
            System.arraycopy(message, 0, all, at, message.length);
            at += message.length;
        }
        SocketPair.send(sockets.left, all);
    }

    private static byte[] message(int id, int payloadLength) {
        byte[] payload = new byte[payloadLength];
        for (int i = 0; i < payloadLength; i++) {
            payload[i] = (byte) (id + i * 7);
        }
        return RawMessage.command(id, 3, payload);
    }
}
