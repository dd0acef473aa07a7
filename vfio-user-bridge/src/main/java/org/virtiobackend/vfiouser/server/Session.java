package org.virtiobackend.vfiouser.server;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Scheduling;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.socket.BrokenFrameException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** One client: a thread that takes its messages, executes each at once and answers, in order of arrival. */
final class Session implements ClientSession, Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Session.class);

    /** How control waits for workers, which mostly takes microseconds. */
    private static final int AWAIT_YIELDS = 100;

    private static final long AWAIT_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

    private final int id;
    private final UnixSocket socket;
    private final SessionTimes times;
    private final PciFunctionFactory factory;
    private final SessionListener listener;
    private final Consumer<Session> whenEnded;
    private final Thread thread;
    private final SessionOutput output;
    private final DmaMessenger messenger;
    private final SessionInput input;
    private final DmaMap dmaMap = new DmaMap();
    private final Negotiation negotiation = new Negotiation();
    private final Reply reply = new Reply();

    private PciFunction function;
    private volatile IrqEventFds irqs;
    private Dispatcher dispatcher;
    /** What to do once the command under way is answered, or null. */
    private Runnable afterAnswer;

    private boolean awaited;
    private boolean announced;
    private boolean faultLogged;
    /** Belongs to the watching thread. */
    private boolean stuckLogged;

    Session(
            int id,
            UnixSocket socket,
            SessionTimes times,
            PciFunctionFactory factory,
            SessionListener listener,
            Consumer<Session> whenEnded) {
        this.id = id;
        this.socket = socket;
        this.times = times;
        this.factory = factory;
        this.listener = listener;
        this.whenEnded = whenEnded;
        this.thread = new Thread(this, "vfio-user-" + id);
        this.thread.setDaemon(true);
        this.output = new SessionOutput(socket, times.sendMillis());
        this.messenger = new DmaMessenger(output, times.dmaMillis());
        this.input = new SessionInput(socket, output);
        messenger.setSessionThread(thread);
        dmaMap.setRemoteMemory(messenger);
        messenger.setMapped(dmaMap::presence);
    }

    void start() {
        thread.start();
    }

    /** Makes the session end as if the client had gone; any thread. */
    void shutdown() {
        socket.shutdown();
    }

    /** Ends the session of a client whose eventfd has stopped a thread, which is freed; called again and again by one watching thread. */
    void watch() {
        IrqEventFds now = irqs;
        if (now != null && now.freeStuck()) {
            if (!stuckLogged) {
                stuckLogged = true;
                LOG.warn("client {}: its eventfd is full and blocks who signals it; the session ends", id);
            }
            shutdown();
        }
    }

    /** Waits for the end; false when it has not come in time. */
    boolean join(long millis) throws InterruptedException {
        thread.join(millis);
        return !thread.isAlive();
    }

    @Override
    public int id() {
        return id;
    }

    @Override
    public long dmaMessagesSent() {
        return messenger.messagesSent();
    }

    @Override
    public boolean afterAnswer(Runnable work) {
        if (Thread.currentThread() != thread || afterAnswer != null) {
            return false;
        }
        afterAnswer = work;
        return true;
    }

    @Override
    public boolean isAwaited() {
        return awaited;
    }

    /** Workers that wait for the client's memory; any thread. */
    int dmaWaiters() {
        return messenger.waiting();
    }

    @Override
    public void await(BooleanSupplier done) {
        if (Thread.currentThread() != thread) {
            LockSupport.parkNanos(AWAIT_NANOS);
            return;
        }
        messenger.hold();
        try {
            for (int round = 0; !done.getAsBoolean(); round++) {
                if (round < AWAIT_YIELDS) {
                    Thread.yield();
                } else {
                    LockSupport.parkNanos(AWAIT_NANOS);
                }
            }
        } finally {
            messenger.release();
        }
    }

    @Override
    public void run() {
        String reason = "unexpected error";
        Scheduling.shortTurns();
        try {
            reason = serve();
        } catch (BrokenFrameException e) {
            refuse(e);
            reason = "broken frame: " + e.getMessage();
        } catch (ErrnoException e) {
            reason = e.getMessage();
        } catch (Throwable t) {
            LOG.error("client {}: session ends on an unexpected error", id, t);
        } finally {
            tearDown(reason);
        }
    }

    private String serve() throws IOException {
        Frame frame;
        while ((frame = input.next(irqs)) != null) {
            handle(frame);
        }
        return input.hasMore() ? "closed by the client within a message" : "closed by the client";
    }

    private void handle(Frame frame) throws IOException {
        MessageHeader header = frame.header();
        if (header.isReply() && messenger.replyArrived(frame)) {
            frame.closeFds();
            return;
        }
        int errno = Errno.EINVAL;
        reply.clear();
        if (header.isCommand() && !frame.fdsLost()) {
            awaited = header.wantsReply();
            errno = execute(frame);
        }
        frame.closeFds();
        if (!header.isCommand()) {
            answer(header, errno);
            output.send(reply.message());
        } else if (header.wantsReply()) {
            answer(header, errno);
            output.reply(reply.message(), errno == 0 ? reply.fd() : null, input.hasMore());
        }
        Runnable work = afterAnswer;
        if (work != null) {
            afterAnswer = null;
            work.run();
        }
        if (dispatcher != null && !announced) {
            announced = true;
            listener.connected(this);
        }
    }

    private int execute(Frame frame) {
        try {
            if (dispatcher == null) {
                return negotiate(frame);
            }
            return dispatcher.execute(frame, reply);
        } catch (ErrnoException e) {
            LOG.debug("client {}: {} fails: {}", id, Command.name(frame.header().command()), e.getMessage());
            return e.errno();
        } catch (RuntimeException | InternalError e) {
            // InternalError: memory behind a mapping has gone.
            if (!faultLogged) {
                faultLogged = true;
                LOG.error(
                        "client {}: {} failed in the device",
                        id,
                        Command.name(frame.header().command()),
                        e);
            }
            return Errno.EIO;
        }
    }

    private int negotiate(Frame frame) throws ErrnoException {
        if (frame.header().command() != Command.VERSION) {
            return Errno.EINVAL;
        }
        Capabilities client = negotiation.read(frame);
        messenger.setMaxTransfer(client.maxDataTransfer());
        try {
            function = factory.create(dmaMap, this);
        } catch (IOException e) {
            LOG.warn("client {} gets no device: {}", id, e.getMessage());
            return e instanceof ErrnoException known ? known.errno() : Errno.EIO;
        }
        irqs = new IrqEventFds(function);
        function.connect(irqs);
        DeviceCommands device = new DeviceCommands(function, irqs, client.maxMessageFds() > 0);
        dispatcher = new Dispatcher(new RegionCommands(function), new DmaCommands(dmaMap), device);
        negotiation.answer(reply);
        return 0;
    }

    /** Completes the reply: the payload that a command has built, or just its error. */
    private void answer(MessageHeader request, int errno) {
        int flags = MessageHeader.TYPE_REPLY | (errno == 0 ? 0 : MessageHeader.FLAG_ERROR);
        int payloadLength = errno == 0 ? reply.payloadLength() : 0;
        reply.message().setHeader(request.id(), request.command(), payloadLength, flags, errno);
    }

    private void refuse(BrokenFrameException e) {
        if (!e.wantsReply()) {
            return;
        }
        try {
            int flags = MessageHeader.TYPE_REPLY | MessageHeader.FLAG_ERROR;
            reply.message().setHeader(e.id(), e.command(), 0, flags, Errno.EINVAL);
            output.send(reply.message());
        } catch (ErrnoException ignored) {
            // The client need not know.
        }
    }

    private void tearDown(String reason) {
        // First: who is sending to a client that takes nothing holds the lock. No further reply can be read by the
        // client, and one
        // that waits for us must not wait for the function.
        socket.shutdown();
        messenger.close();
        try {
            if (function != null) {
                function.close();
            }
        } catch (RuntimeException e) {
            LOG.error("client {}: closing the device failed", id, e);
        } finally {
            if (irqs != null) {
                irqs.close();
            }
            dmaMap.close();
            input.close();
            socket.close();
            if (announced) {
                listener.disconnected(this, reason);
            }
            whenEnded.accept(this);
        }
    }
}
