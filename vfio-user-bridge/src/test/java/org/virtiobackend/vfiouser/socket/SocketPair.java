package org.virtiobackend.vfiouser.socket;

import java.io.IOException;
import java.nio.file.Path;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.UnixSocket;

/** Two connected sockets. */
public final class SocketPair implements AutoCloseable {
    private static final long TIMEOUT_MILLIS = 10_000;

    public final UnixSocket left;
    public final UnixSocket right;

    public SocketPair(Path directory) throws IOException {
        String path = directory.resolve("pair.sock").toString();
        try (Fd listener = UnixSocket.listen(path, 1)) {
            left = UnixSocket.connect(path);
            right = UnixSocket.accept(listener);
        }
        left.setTimeouts(TIMEOUT_MILLIS, TIMEOUT_MILLIS);
        right.setTimeouts(TIMEOUT_MILLIS, TIMEOUT_MILLIS);
        java.nio.file.Files.delete(directory.resolve("pair.sock"));
    }

    /** One sendmsg. */
    public static void send(UnixSocket socket, byte[] bytes, Fd... fds) throws IOException {
        NativeBuffer memory = NativeBuffer.allocate(bytes.length);
        memory.buffer().put(0, bytes);
        socket.send(memory.address(), bytes.length, fds);
        java.lang.ref.Reference.reachabilityFence(memory);
    }

    @Override
    public void close() {
        left.close();
        right.close();
    }
}
