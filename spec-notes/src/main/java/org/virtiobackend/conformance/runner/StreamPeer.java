package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A UNIX stream socket with a big-endian length of 32 bits before each frame, as QEMU's {@code -netdev stream} and {@code passt}
 * have it. Connects when somebody listens, and listens otherwise; the newest connection counts. Owns the socket.
 */
public final class StreamPeer implements NetPeer {
    private static final int LENGTH_BYTES = 4;
    private static final int MAX_FRAME = 1 << 17;

    private final Path path;
    private final ServerSocketChannel server;
    private final ByteBuffer in = ByteBuffer.allocate(2 * MAX_FRAME);
    private SocketChannel link;

    private StreamPeer(Path path, ServerSocketChannel server, SocketChannel link) {
        this.path = path;
        this.server = server;
        this.link = link;
    }

    /**
     * Connects or listens.
     *
     * @throws IOException neither works
     */
    public static StreamPeer open(String socketPath) throws IOException {
        Path path = Path.of(socketPath);
        UnixDomainSocketAddress address = UnixDomainSocketAddress.of(path);
        if (Files.exists(path)) {
            try {
                SocketChannel link = SocketChannel.open(address);
                link.configureBlocking(false);
                return new StreamPeer(path, null, link);
            } catch (IOException e) {
                if (Files.isRegularFile(path) || Files.isDirectory(path)) {
                    throw new IOException(socketPath + " is no socket", e);
                }
                Files.delete(path); // left behind: nobody listens
            }
        }
        ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        try {
            server.bind(address);
            server.configureBlocking(false);
        } catch (IOException e) {
            server.close();
            throw new IOException(socketPath + ": " + e.getMessage(), e);
        }
        return new StreamPeer(path, server, null);
    }

    @Override
    public String description() {
        return "stream:" + path;
    }

    @Override
    public boolean isConnected() throws IOException {
        accept();
        if (link != null) {
            fill();
        }
        return link != null;
    }

    private void accept() throws IOException {
        for (SocketChannel next; server != null && (next = server.accept()) != null; ) {
            hangUp();
            next.configureBlocking(false);
            link = next;
        }
    }

    private void hangUp() throws IOException {
        if (link != null) {
            link.close();
            link = null;
        }
        in.clear();
    }

    /** Takes what has arrived; notices a device that has gone. */
    private void fill() throws IOException {
        int count;
        try {
            count = in.hasRemaining() ? link.read(in) : 0;
        } catch (IOException e) {
            count = -1;
        }
        if (count < 0) {
            hangUp();
        }
    }

    @Override
    public void send(Frame whole) throws IOException {
        byte[] frame = whole.bytes();
        if (!isConnected()) {
            throw new IOException("no device at " + description());
        }
        ByteBuffer out = ByteBuffer.allocate(LENGTH_BYTES + frame.length);
        out.putInt(frame.length).put(frame).flip();
        while (out.hasRemaining()) {
            if (link.write(out) == 0) {
                throw new IOException("the device does not read from " + description());
            }
        }
    }

    @Override
    public Frame receive() throws IOException {
        if (!isConnected()) {
            return null;
        }
        in.flip();
        try {
            if (in.remaining() < LENGTH_BYTES) {
                return null;
            }
            int length = in.getInt(in.position());
            if (length < 0 || length > MAX_FRAME) {
                throw new CheckFailure("the device announces a frame of " + Integer.toUnsignedLong(length) + " bytes");
            }
            if (in.remaining() < LENGTH_BYTES + length) {
                return null;
            }
            in.getInt();
            byte[] frame = new byte[length];
            in.get(frame);
            return Frame.complete(frame);
        } finally {
            in.compact();
        }
    }

    @Override
    public void close() {
        try {
            hangUp();
            if (server != null) {
                server.close();
                Files.deleteIfExists(path);
            }
        } catch (IOException e) {
            // nothing depends on it any more
        }
    }
}
