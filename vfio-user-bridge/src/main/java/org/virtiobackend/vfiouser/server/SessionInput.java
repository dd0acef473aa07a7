package org.virtiobackend.vfiouser.server;

import java.util.function.BooleanSupplier;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.BrokenFrameException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.MessageReader;

/** The receiving half of a session: messages in order, and a look ahead for DMA replies while a command waits for workers. */
final class SessionInput implements AutoCloseable {
    private static final int YIELDS = 100;
    private static final int POLL_MILLIS = 1;

    private final UnixSocket socket;
    private final MessageReader reader;
    private final SessionOutput output;
    private final DmaMessenger messenger;
    private final ReadAhead readAhead = new ReadAhead();
    private final Frame next = new Frame();
    private final Frame ahead = new Frame();
    private final Poller poller = new Poller(2);
    private boolean ended;

    SessionInput(UnixSocket socket, SessionOutput output, DmaMessenger messenger) {
        this.socket = socket;
        this.reader = new MessageReader(socket);
        this.output = output;
        this.messenger = messenger;
    }

    /**
     * The next message, waiting for it. It stays valid until the next call.
     *
     * @param irqs watched while waiting, for a client that unmasks INTx by an eventfd; null before there are any
     * @return null at the end of the stream
     * @throws BrokenFrameException the stream cannot be followed any further
     */
    Frame next(IrqEventFds irqs) throws BrokenFrameException, ErrnoException {
        reader.release();
        Frame early = readAhead.poll();
        if (early != null) {
            return early;
        }
        while (!reader.take(next)) {
            output.nothingArrived();
            if (!receive(irqs)) {
                return null;
            }
        }
        reader.pin();
        if (wantsAnswer(next)) {
            output.commandArrived();
        }
        return next;
    }

    /** Whether bytes have arrived that {@link #next} has not given out. */
    boolean hasMore() {
        return !readAhead.isEmpty() || reader.isInsideMessage();
    }

    /**
     * Waits until {@code done}, at most until {@code deadline} (nanoseconds). Replies to DMA messages reach their workers
     * meanwhile; everything else is kept for {@link #next}.
     */
    void pumpUntil(BooleanSupplier done, long deadline) {
        for (int round = 0; !done.getAsBoolean() && System.nanoTime() - deadline < 0; round++) {
            boolean mayRead = messenger.waiting() > 0 && !ended && !readAhead.isFull();
            if (!mayRead || !lookAhead()) {
                idle(round, mayRead && !ended);
            }
        }
    }

    @Override
    public void close() {
        readAhead.close();
        next.closeFds();
        ahead.closeFds();
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

    /** Takes one message or receives once; false when nothing is there. */
    private boolean lookAhead() {
        try {
            if (reader.take(ahead)) {
                sort(ahead);
                return true;
            }
            output.nothingArrived();
            MessageReader.Input input = reader.receive(false);
            if (input == MessageReader.Input.END) {
                ended = true;
                messenger.close();
            }
            return input == MessageReader.Input.SOME;
        } catch (BrokenFrameException | ErrnoException e) {
            // next() meets it again, in its turn.
            ended = true;
            messenger.close();
            return false;
        }
    }

    private void sort(Frame frame) {
        if (frame.header().isReply() && messenger.replyArrived(frame)) {
            frame.closeFds();
            return;
        }
        if (wantsAnswer(frame)) {
            output.commandArrived();
        }
        readAhead.add(frame);
    }

    private void idle(int round, boolean watchSocket) {
        if (round < YIELDS) {
            Thread.yield();
            return;
        }
        poller.clear();
        if (watchSocket) {
            poller.add(socket.fd(), Poller.POLLIN);
        }
        try {
            poller.poll(POLL_MILLIS);
        } catch (ErrnoException e) {
            ended = true;
        }
    }

    private static boolean wantsAnswer(Frame frame) {
        return frame.header().isCommand() && frame.header().wantsReply();
    }
}
