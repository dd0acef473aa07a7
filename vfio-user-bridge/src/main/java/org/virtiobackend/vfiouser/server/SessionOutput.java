package org.virtiobackend.vfiouser.server;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;

/**
 * The sending half of a session, shared by the session's thread (replies) and workers (DMA requests), and the rule between them: a
 * client may wait for our reply with everything else stopped, so a request goes out only while no command is unanswered.
 */
final class SessionOutput {
    private final UnixSocket socket;
    private final long sendNanos;
    /** Held while sending. */
    private final ReentrantLock lock = new ReentrantLock();
    /** Commands that arrived and whose sender waits; changed by the session's thread only. */
    private volatile int unanswered;
    /** More of the client's commands may be here already, not looked at yet. */
    private volatile boolean moreArrived;

    private Runnable whenAnswered = () -> {};

    /** @param sendMillis a client that has not taken a message within this is lost: part of it may be out */
    SessionOutput(UnixSocket socket, long sendMillis) {
        this.socket = socket;
        this.sendNanos = TimeUnit.MILLISECONDS.toNanos(sendMillis);
    }

    /** What to do when the last waiting client command was answered; runs with the lock held. */
    void setWhenAnswered(Runnable action) {
        whenAnswered = action;
    }

    ReentrantLock lock() {
        return lock;
    }

    /** Whether a request may be sent; stays true while the lock is held, up to commands still on their way. */
    boolean mayRequest() {
        return unanswered == 0 && !moreArrived;
    }

    /** The session's thread has received a command whose sender waits. */
    void commandArrived() {
        unanswered++;
    }

    /**
     * Answers a command.
     *
     * @param more whether bytes have arrived behind the command; {@link #nothingArrived} ends that
     */
    void reply(OutgoingMessage message, Fd fd, boolean more) throws ErrnoException {
        lock.lock();
        try {
            message.sendWithin(sendNanos, socket, fd);
            unanswered--;
            moreArrived = more;
            letRequestsGo();
        } finally {
            lock.unlock();
        }
    }

    /** The session's thread has looked at everything that has arrived. */
    void nothingArrived() {
        if (moreArrived) {
            lock.lock();
            try {
                moreArrived = false;
                letRequestsGo();
            } finally {
                lock.unlock();
            }
        }
    }

    /** Sends what is not the answer to a command that was counted. */
    void send(OutgoingMessage message) throws ErrnoException {
        lock.lock();
        try {
            message.sendWithin(sendNanos, socket, null);
        } finally {
            lock.unlock();
        }
    }

    /** The stream cannot be trusted any more: ends the session. */
    void abort() {
        socket.shutdown();
    }

    private void letRequestsGo() {
        if (mayRequest()) {
            whenAnswered.run();
        }
    }
}
