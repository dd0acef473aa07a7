package org.virtiobackend.vfiouser.client;

import java.util.concurrent.TimeUnit;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.Command;

/** Passes a reply from the receiving thread to the caller that waits for it, and keeps it until the caller is done. */
final class ReplyHandover {
    private static final int NOTHING = -1;

    private int expected = NOTHING;
    private Frame delivered;
    private boolean closed;

    /** The caller is about to send a command with this id. */
    synchronized void expect(int id) {
        expected = id;
    }

    /** The caller waits for the reply. */
    synchronized Frame await(int command, long timeoutMillis) throws ErrnoException {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        boolean interrupted = false;
        while (delivered == null && !closed) {
            long left = TimeUnit.NANOSECONDS.toMillis(deadline - System.nanoTime());
            if (left <= 0) {
                break;
            }
            try {
                wait(left);
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        if (delivered == null) {
            throw new ErrnoException(Command.name(command), closed ? Errno.ENOTCONN : Errno.ETIMEDOUT);
        }
        return delivered;
    }

    /** The caller is done with the reply, or with waiting. */
    synchronized void release() {
        expected = NOTHING;
        delivered = null;
        notifyAll();
    }

    /** The receiving thread has a reply; returns when its bytes are free again. */
    synchronized void deliver(Frame frame) {
        if (frame.header().id() != expected) {
            frame.closeFds();
            return;
        }
        expected = NOTHING;
        delivered = frame;
        notifyAll();
        boolean interrupted = false;
        while (delivered != null) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /** Nothing will come any more. */
    synchronized void close() {
        closed = true;
        notifyAll();
    }
}
