package org.virtiobackend.vfiouser.client;

import java.io.IOException;
import java.lang.ref.Reference;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;

/**
 * A connection that checks nothing of what it sends, for conformance and hostile tests. One thread may send while another
 * receives.
 */
public final class RawConnection implements AutoCloseable {
    private final UnixSocket socket;
    private final MessageReader reader;
    private final Frame frame = new Frame();

    private RawConnection(UnixSocket socket) {
        this.socket = socket;
        this.reader = new MessageReader(socket);
    }

    /** @param timeoutMillis how long a send or a receive waits at most */
    public static RawConnection connect(String path, long timeoutMillis) throws IOException {
        UnixSocket socket = UnixSocket.connect(path);
        socket.setTimeouts(timeoutMillis, timeoutMillis);
        return new RawConnection(socket);
    }

    /** Sends bytes with one system call, descriptors on the first; they stay the caller's. */
    public void send(byte[] bytes, Fd... fds) throws IOException {
        send(bytes, 0, bytes.length, fds);
    }

    /** Sends part of an array. */
    public void send(byte[] bytes, int from, int length, Fd... fds) throws IOException {
        NativeBuffer memory = NativeBuffer.allocate(Math.max(1, length));
        memory.buffer().put(0, bytes, from, length);
        socket.send(memory.address(), length, fds);
        Reference.reachabilityFence(memory);
    }

    /**
     * The next message.
     *
     * @return null when the server has closed
     * @throws ErrnoException ETIMEDOUT when nothing comes
     */
    public RawMessage receive() throws IOException {
        while (!reader.take(frame)) {
            try {
                if (reader.receive(true) == MessageReader.Input.END) {
                    return null;
                }
            } catch (ErrnoException e) {
                throw new ErrnoException("receive", e.errno() == Errno.EAGAIN ? Errno.ETIMEDOUT : e.errno());
            }
        }
        return RawMessage.of(frame);
    }

    /** Ends both directions at once, as when a client is killed; the descriptor stays until {@link #close}. */
    public void shutdown() {
        socket.shutdown();
    }

    /** Ends what is sent, and nothing else: what the server answers to it can still be received. */
    public void shutdownSending() {
        socket.shutdownSending();
    }

    @Override
    public void close() {
        reader.close();
        socket.close();
    }
}
