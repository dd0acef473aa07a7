package org.virtiobackend.vfiouser.server;

import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.BrokenFrameException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;

/** The receiving half of a session: messages in order. */
final class SessionInput implements AutoCloseable {
    private final UnixSocket socket;
    private final MessageReader reader;
    private final SessionOutput output;
    private final Frame next = new Frame();
    private final Poller poller = new Poller(2);

    SessionInput(UnixSocket socket, SessionOutput output) {
        this.socket = socket;
        this.reader = new MessageReader(socket);
        this.output = output;
    }

    /**
     * The next message, waiting for it. It stays valid until the next call.
     *
     * @param irqs watched while waiting, for a client that unmasks INTx by an eventfd; null before there are any
     * @return null at the end of the stream
     * @throws BrokenFrameException the stream cannot be followed any further
     */
    Frame next(IrqEventFds irqs) throws BrokenFrameException, ErrnoException {
        while (!reader.take(next)) {
            output.nothingArrived();
            if (!receive(irqs)) {
                return null;
            }
        }
        if (next.header().isCommand() && next.header().wantsReply()) {
            output.commandArrived();
        }
        return next;
    }

    /** Whether bytes have arrived that {@link #next} has not given out. */
    boolean hasMore() {
        return reader.isInsideMessage();
    }

    @Override
    public void close() {
        next.closeFds();
        reader.close();
    }

    private boolean receive(IrqEventFds irqs) throws ErrnoException {
        Fd unmask = irqs == null ? null : irqs.unmaskFd();
        if (unmask == null) {
            return reader.receive(true) != MessageReader.Input.END;
        }
        poller.clear();
        poller.add(socket.fd(), Poller.POLLIN);
        int unmaskIndex = poller.add(unmask, Poller.POLLIN);
        poller.poll(-1);
        if (poller.events(unmaskIndex) != 0) {
            irqs.takeUnmask();
        }
        return reader.receive(false) != MessageReader.Input.END;
    }
}
