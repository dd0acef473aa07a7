package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.StandardSocketOptions;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.backend.StreamBackend;

/** A device on a stream socket, whose server is the test. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class StreamTest {
    @TempDir
    private Path directory;

    private Path path;
    private ServerSocketChannel listener;
    private SocketChannel peer;
    private DataInputStream fromDevice;
    private StreamBackend backend;
    private NetFixture net;

    @BeforeEach
    void setUp() throws Exception {
        path = directory.resolve("net.sock");
        listen();
        backend = new StreamBackend(path.toString());
        accept();
        net = new NetFixture(backend);
    }

    @AfterEach
    void tearDown() throws Exception {
        net.close();
        peer.close();
        listener.close();
    }

    private void listen() throws IOException {
        listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(path));
    }

    private void accept() throws IOException {
        peer = listener.accept();
        fromDevice = new DataInputStream(Channels.newInputStream(peer));
    }

    private byte[] peerReceives() throws IOException {
        byte[] frame = new byte[fromDevice.readInt()];
        fromDevice.readFully(frame);
        return frame;
    }

    private void peerSends(byte[] frame) throws IOException {
        ByteBuffer message = ByteBuffer.allocate(4 + frame.length);
        message.putInt(frame.length).put(frame).flip();
        peerWrites(message);
    }

    private void peerWrites(ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            peer.write(bytes);
        }
    }

    private boolean linkIsUp() {
        return (net.device.config().get(VirtioNet.CONFIG_STATUS, 2) & VirtioNet.VIRTIO_NET_S_LINK_UP) != 0;
    }

    @Test
    void framesGoBothWays() throws Exception {
        net.addBuffers(0, 64, 1526);
        for (int size : new int[] {14, 60, 1514, 9000, 65_535}) {
            net.sendPlain(1, frame(size));
            assertArrayEquals(frame(size), peerReceives());
            peerSends(frame(size));
            NetFixture.Received received = net.receive(0);
            assertArrayEquals(frame(size), received.frame());
            assertEquals(0, received.flags());
            net.addBuffers(0, received.buffers(), 1526);
        }
    }

    @ParameterizedTest
    @EnumSource
    void whatTheDriverLeavesUndoneIsDoneBefore(Sample sample) throws Exception {
        net.send(1, concat(sample.header(), sample.frame()), 12, sample.headerBytes(), 1000);
        net.awaitSent(1);
        int payload = 0;
        for (int i = 0; i < sample.pieces(); i++) {
            byte[] piece = peerReceives();
            assertTrue(sample.checksumsAreRight(piece));
            payload += piece.length - sample.headerBytes();
        }
        assertEquals(sample.frame().length - sample.headerBytes(), payload);
    }

    @Test
    void frameInSmallPiecesIsPutTogetherAndChainsStayFree() throws Exception {
        net.addBuffers(0, 64, 1526);
        byte[] frame = frame(3000);
        ByteBuffer message = ByteBuffer.allocate(3004);
        message.putInt(3000).put(frame).flip();
        for (int at = 0; at < 3004; at += 7) {
            message.limit(Math.min(at + 7, 3004));
            peerWrites(message);
            if (at % 1001 == 0) {
                net.runtime.refreshMemory(); // would wait for ever for a chain that waits for the rest of a frame
            }
        }
        assertArrayEquals(frame, net.receive(0).frame());
    }

    @Test
    void peerThatReadsNothingStopsTheSenderAndLosesNothing() throws Exception {
        int frames = 200;
        Thread sender = new Thread(() -> {
            for (int i = 0; i < frames; i++) {
                net.send(1, concat(new byte[HEADER], frame(20_000 + i)));
            }
        });
        sender.start();
        sender.join();
        for (int i = 0; i < frames; i++) {
            assertArrayEquals(frame(20_000 + i), peerReceives());
            net.awaitSent(1);
        }
        assertEquals(0, net.device.counters().transmitDropped());
    }

    private boolean isAnnouncing() {
        return (net.device.config().get(VirtioNet.CONFIG_STATUS, 2) & VirtioNet.VIRTIO_NET_S_ANNOUNCE) != 0;
    }

    /** The driver may have announced itself, and not yet said so, when it is asked again. */
    @Test
    void aRequestToAnnounceIsNotLostToTheAnswerToTheOneBefore() throws Exception {
        net.device.announce();
        net.device.announce();
        assertEquals(0, net.control(3, 0, new byte[0]));
        assertTrue(isAnnouncing(), "asked twice, answered once");
        assertEquals(0, net.control(3, 0, new byte[0]));
        assertFalse(isAnnouncing());
    }

    @Test
    void linkFollowsThePeerAndTheDriverIsAskedToAnnounceItself() throws Exception {
        assertTrue(linkIsUp());
        peer.close();
        net.await(() -> !linkIsUp(), "link down");
        net.sendPlain(1, frame(60));
        assertEquals(1, net.device.counters().transmitDropped());
        backend.lookAfter();
        accept();
        assertTrue(linkIsUp());
        assertTrue(isAnnouncing());
        assertEquals(0, net.control(3, 0, new byte[0]));
        assertFalse(isAnnouncing());
        net.addBuffers(0, 4, 1526);
        peerSends(frame(61));
        assertArrayEquals(frame(61), net.receive(0).frame());
        net.sendPlain(1, frame(62));
        assertArrayEquals(frame(62), peerReceives());
    }

    @Test
    void deviceStartsWithTheLinkDownWhenNobodyListens() throws Exception {
        Path nowhere = directory.resolve("nobody.sock");
        try (NetFixture lonely = new NetFixture(new StreamBackend(nowhere.toString()))) {
            assertEquals(0, lonely.device.config().get(VirtioNet.CONFIG_STATUS, 2));
            lonely.sendPlain(1, frame(60));
        }
        assertFalse(Files.exists(nowhere));
    }

    @ParameterizedTest
    @org.junit.jupiter.params.provider.ValueSource(ints = {-1, Integer.MIN_VALUE, Integer.MAX_VALUE, 70_000})
    void peerThatAnnouncesNonsenseIsDisconnected(int length) throws Exception {
        net.addBuffers(0, 4, 1526);
        peerWrites(ByteBuffer.allocate(8).putInt(length).putInt(0).flip());
        net.await(() -> !linkIsUp(), "link down");
        org.junit.jupiter.api.Assertions.assertThrows(EOFException.class, this::peerReceives);
        assertFalse(net.failure.isDone());
    }

    @Test
    void framesShorterThanAnEthernetHeaderAreSkipped() throws Exception {
        net.addBuffers(0, 4, 1526);
        peerSends(new byte[0]);
        peerSends(new byte[13]);
        peerSends(frame(14));
        assertArrayEquals(frame(14), net.receive(0).frame());
    }

    /** Row 40: a peer that sends nothing but frames too short to be any takes a bounded time at each look. */
    @Test
    void row40ShortFramesArePassedOverOneReadAtATime() throws Exception {
        StreamBackend other = new StreamBackend(path.toString());
        try (SocketChannel sender = listener.accept()) {
            sender.setOption(StandardSocketOptions.SO_SNDBUF, 1 << 20);
            sender.configureBlocking(false);
            ByteBuffer bytes = ByteBuffer.allocate((1 << 18) + 4 + 60);
            bytes.putInt(1 << 18, 60).put((1 << 18) + 4, frame(60));
            sender.write(bytes);
            assumeFalse(bytes.hasRemaining(), "a socket that holds more than one read takes");
            NetChannel.Buffered channel = (NetChannel.Buffered) other.channel(0);
            assertNull(channel.peek(), "after one read");
            assertEquals(60, channel.peek().length());
        } finally {
            other.close();
        }
    }
}
