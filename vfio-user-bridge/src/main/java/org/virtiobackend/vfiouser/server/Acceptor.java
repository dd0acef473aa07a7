package org.virtiobackend.vfiouser.server;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.posix.UnixSocket;

/**
 * The accepting thread of a server. It outlives whatever keeps it from taking a client (no descriptors, memory or threads left):
 * that client is turned away or waits, and whoever ends next makes room. Only a listener that is none any more ends it.
 */
final class Acceptor {
    /** Takes over a client's socket; when it throws, the socket is closed for it. */
    @FunctionalInterface
    interface Reception {
        void welcome(UnixSocket socket);
    }

    private static final Logger LOG = LoggerFactory.getLogger(Acceptor.class);
    private static final int WATCH_MILLIS = 500;
    private static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private final Fd listener;
    private final EventFd stop;
    private final Reception reception;
    private final Runnable watch;
    private final Poller poller = new Poller(2);
    private final Thread thread = new Thread(this::run, "vfio-user-accept");
    private volatile boolean closing;
    private long watched = System.nanoTime();
    /** Nothing has gone well since it was logged. */
    private boolean failing;

    /**
     * @param listener a listening socket that never waits; it stays the caller's
     * @param watch called about twice a second
     */
    Acceptor(Fd listener, Reception reception, Runnable watch) throws ErrnoException {
        this.listener = listener;
        this.reception = reception;
        this.watch = watch;
        this.stop = EventFd.create();
        thread.setDaemon(true);
        poller.add(stop.fd(), Poller.POLLIN);
        poller.add(listener, Poller.POLLIN);
    }

    void start() {
        thread.start();
    }

    /** Ends the thread and waits for that. */
    void close() throws InterruptedException {
        closing = true;
        stop.signal();
        LockSupport.unpark(thread);
        thread.join();
        stop.close();
    }

    private void run() {
        while (!closing) {
            try {
                int ready = poller.poll(WATCH_MILLIS);
                watchNowAndThen();
                if (ready > 0 && !closing) {
                    accept();
                }
            } catch (Throwable t) {
                tell(t);
                LockSupport.parkNanos(RETRY_NANOS);
            }
        }
    }

    private void watchNowAndThen() {
        long now = System.nanoTime();
        if (now - watched >= TimeUnit.MILLISECONDS.toNanos(WATCH_MILLIS)) {
            watched = now;
            watch.run();
        }
    }

    private void accept() throws ErrnoException {
        UnixSocket socket;
        try {
            socket = UnixSocket.accept(listener);
        } catch (ErrnoException e) {
            switch (e.errno()) {
                case Errno.EAGAIN -> {
                    return; // the client has gone already
                }
                case Errno.EBADF, Errno.EINVAL -> {
                    LOG.error("no further clients are accepted: {}", e.getMessage());
                    closing = true;
                    return;
                }
                default -> throw e;
            }
        }
        try {
            reception.welcome(socket);
            failing = false;
        } catch (Throwable t) {
            socket.close();
            throw t;
        }
    }

    private void tell(Throwable t) {
        if (failing) {
            return;
        }
        failing = true;
        try {
            LOG.warn("client not accepted: {}", t instanceof ErrnoException ? t.getMessage() : t.toString());
        } catch (Throwable ignored) {
            // No memory for a line of text either.
        }
    }
}
