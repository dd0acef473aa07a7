package org.virtiobackend.conformance.runner;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StreamPeerTest {
    @TempDir
    Path directory;

    private UnixDomainSocketAddress address() {
        return UnixDomainSocketAddress.of(directory.resolve("link.sock"));
    }

    private StreamPeer open() throws IOException {
        return StreamPeer.open(directory.resolve("link.sock").toString());
    }

    private static ByteBuffer bytes(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length);
        for (int value : values) {
            bytes.put((byte) value);
        }
        return bytes.flip();
    }

    @Test
    void listensWhereNobodyDoesAndTakesTheNewestDevice() throws IOException {
        try (StreamPeer peer = open();
                SocketChannel first = SocketChannel.open(address())) {
            assertTrue(peer.isConnected());
            first.write(bytes(0, 0, 0, 2, 7));
            assertNull(peer.receive(), "half a frame");
            first.write(bytes(8, 0, 0, 0, 1, 9));
            assertArrayEquals(new byte[] {7, 8}, peer.receive().bytes());
            assertArrayEquals(new byte[] {9}, peer.receive().bytes());
            assertNull(peer.receive());
            try (SocketChannel second = SocketChannel.open(address())) {
                first.write(bytes(0, 0, 0, 1, 1));
                second.write(bytes(0, 0, 0, 1, 2));
                assertArrayEquals(new byte[] {2}, peer.receive().bytes());
            }
            assertFalse(peer.isConnected());
        }
        assertFalse(Files.exists(directory.resolve("link.sock")));
    }

    @Test
    void connectsWhereSomebodyListens() throws IOException {
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(address());
            try (StreamPeer peer = open();
                    SocketChannel device = server.accept()) {
                peer.send(NetPeer.Frame.complete(new byte[] {5, 6}));
                ByteBuffer got = ByteBuffer.allocate(6);
                while (got.hasRemaining()) {
                    device.read(got);
                }
                assertArrayEquals(new byte[] {0, 0, 0, 2, 5, 6}, got.array());
            }
        }
    }

    @Test
    void takesASocketOverThatWasLeftBehind() throws IOException {
        ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(address()).close();
        try (StreamPeer peer = open();
                SocketChannel device = SocketChannel.open(address())) {
            assertTrue(device.isConnected());
            assertTrue(peer.isConnected());
        }
    }

    @Test
    void deletesNoFile() throws IOException {
        Files.writeString(directory.resolve("link.sock"), "precious");
        assertThrows(IOException.class, this::open);
        assertTrue(Files.exists(directory.resolve("link.sock")));
    }

    @Test
    void aLengthThatCannotBeIsAFailureOfTheDevice() throws IOException {
        try (StreamPeer peer = open();
                SocketChannel device = SocketChannel.open(address())) {
            device.write(bytes(0xff, 0, 0, 0));
            assertTrue(peer.isConnected());
            assertThrows(CheckFailure.class, peer::receive);
        }
    }
}
