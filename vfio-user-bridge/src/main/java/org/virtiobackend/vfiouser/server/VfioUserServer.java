package org.virtiobackend.vfiouser.server;

import java.io.IOException;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;

/**
 * Serves functions to vfio-user clients: one listening socket, a thread that accepts, and a session of its own for every client.
 * Methods may be called from any thread.
 */
public final class VfioUserServer implements AutoCloseable {
    /** Clients at the same time; more are turned away. */
    public static final int MAX_SESSIONS = 256;

    private static final Logger LOG = LoggerFactory.getLogger(VfioUserServer.class);
    private static final long END_MILLIS = TimeUnit.SECONDS.toMillis(30);

    private final Fd listener;
    private final SocketPath path;
    private final SessionTimes times;
    private final PciFunctionFactory factory;
    private final SessionListener sessionListener;
    private final Acceptor acceptor;
    private final Set<Session> sessions = ConcurrentHashMap.newKeySet();
    private final AtomicLong messagesOfEnded = new AtomicLong();
    /** Changed by the accepting thread only. */
    private volatile int accepted;

    private VfioUserServer(
            Fd listener,
            SocketPath path,
            SessionTimes times,
            PciFunctionFactory factory,
            SessionListener sessionListener)
            throws ErrnoException {
        this.listener = listener;
        this.path = path;
        this.times = times;
        this.factory = factory;
        this.sessionListener = sessionListener;
        this.acceptor = new Acceptor(listener, this::welcome, () -> sessions.forEach(Session::watch));
    }

    /**
     * Listens on a path, which is made with mode 0600 and removed by {@link #close}. A socket file that nobody answers on is
     * replaced.
     *
     * @throws IOException one clear line: the path is in use, or cannot be made
     */
    public static VfioUserServer listen(String path, PciFunctionFactory factory, SessionListener sessionListener)
            throws IOException {
        return listen(path, SessionTimes.DEFAULT, factory, sessionListener);
    }

    static VfioUserServer listen(
            String path, SessionTimes times, PciFunctionFactory factory, SessionListener sessionListener)
            throws IOException {
        return listen(path, times, factory, sessionListener, Runnable::run);
    }

    /**
     * The same with threads that inherit what another thread may do.
     *
     * @param starter runs what starts the first of them, before it returns
     */
    public static VfioUserServer listen(
            String path, PciFunctionFactory factory, SessionListener sessionListener, Executor starter)
            throws IOException {
        return listen(path, SessionTimes.DEFAULT, factory, sessionListener, starter);
    }

    private static VfioUserServer listen(
            String path,
            SessionTimes times,
            PciFunctionFactory factory,
            SessionListener sessionListener,
            Executor starter)
            throws IOException {
        SocketPath socketPath = SocketPath.bind(path);
        try {
            return start(socketPath.listener(), socketPath, times, factory, sessionListener, starter);
        } catch (IOException e) {
            socketPath.close();
            throw e;
        }
    }

    /** Serves on a socket that is already listening, for example an inherited one; it is taken over. */
    public static VfioUserServer adopt(Fd listener, PciFunctionFactory factory, SessionListener sessionListener)
            throws IOException {
        return adopt(listener, factory, sessionListener, Runnable::run);
    }

    /** The same with a starter, as {@link #listen(String, PciFunctionFactory, SessionListener, Executor)} has it. */
    public static VfioUserServer adopt(
            Fd listener, PciFunctionFactory factory, SessionListener sessionListener, Executor starter)
            throws IOException {
        try {
            return start(listener, null, SessionTimes.DEFAULT, factory, sessionListener, starter);
        } catch (IOException e) {
            listener.close();
            throw e;
        }
    }

    /** Clients now, those included that have not negotiated yet. */
    public int sessionCount() {
        return sessions.size();
    }

    /** Clients so far. */
    public int acceptedCount() {
        return accepted;
    }

    /** DMA_READ and DMA_WRITE messages sent to all clients so far. */
    public long dmaMessagesSent() {
        synchronized (messagesOfEnded) {
            long sum = messagesOfEnded.get();
            for (Session session : sessions) {
                sum += session.dmaMessagesSent();
            }
            return sum;
        }
    }

    /** Stops accepting, ends every session and waits until all is freed. */
    @Override
    public void close() {
        try {
            acceptor.close();
            sessions.forEach(Session::shutdown);
            for (Session session : sessions) {
                if (!session.join(END_MILLIS)) {
                    LOG.error("client {}: the device does not stop", session.id());
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (path != null) {
            path.close();
        }
        listener.close();
    }

    private static VfioUserServer start(
            Fd listener,
            SocketPath path,
            SessionTimes times,
            PciFunctionFactory factory,
            SessionListener sessionListener,
            Executor starter)
            throws IOException {
        listener.setNonBlocking();
        VfioUserServer server = new VfioUserServer(listener, path, times, factory, sessionListener);
        starter.execute(server.acceptor::start);
        return server;
    }

    private void welcome(UnixSocket socket) {
        if (sessions.size() >= MAX_SESSIONS) {
            LOG.warn("client turned away: {} are connected", MAX_SESSIONS);
            socket.close();
            return;
        }
        Session session = new Session(accepted + 1, socket, times, factory, sessionListener, this::ended);
        sessions.add(session);
        accepted++;
        try {
            session.start();
        } catch (Throwable t) {
            sessions.remove(session);
            throw t;
        }
    }

    private void ended(Session session) {
        // As one step: its messages are counted once at any moment.
        synchronized (messagesOfEnded) {
            if (sessions.remove(session)) {
                messagesOfEnded.addAndGet(session.dmaMessagesSent());
            }
        }
    }
}
