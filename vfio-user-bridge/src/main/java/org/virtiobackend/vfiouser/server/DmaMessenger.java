package org.virtiobackend.vfiouser.server;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.socket.OutgoingMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.DmaTransferPayload;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * Memory of a client that is reached by DMA_READ and DMA_WRITE messages on the session's socket. Workers call and block; the
 * session's thread brings the answers.
 *
 * <p>A request that may not be sent yet (see {@link SessionOutput}) is queued, and the session's thread sends it right behind the
 * reply that the client was waiting for. A call ends within its time limit whatever the client does.
 */
final class DmaMessenger implements RemoteMemory {
    private static final String CANCELLED = "DMA message cancelled";
    /**
     * Data in one message. QEMU (seen with 11.1.3) drops what its socket buffer does not take of a reply, and then the stream is lost,
     * so replies must fit the smallest usual buffer, 208 KiB with the kernel's book-keeping in it.
     */
    static final int MAX_DATA = 64 << 10;
    /** Data of all replies that may be on their way at once, for the same reason. */
    static final int MAX_READ_UNDERWAY = 128 << 10;

    private static final String LOST = "connection to the client lost";
    private static final String TIMED_OUT = "client did not answer a DMA message in time";

    private final SessionOutput output;
    private final ReentrantLock lock;
    private final long timeoutNanos;
    private final OutgoingMessage message = new OutgoingMessage();
    private final DmaTransferPayload payload = new DmaTransferPayload();
    private final DmaTransferPayload answer = new DmaTransferPayload();

    private final DmaTransfer[] transfers = new DmaTransfer[DmaTransfer.SLOTS];
    private final ArrayDeque<DmaTransfer> free = new ArrayDeque<>();
    private final ArrayDeque<DmaTransfer> queued = new ArrayDeque<>();
    private int created;
    /** Requests that were sent and given up: their answers may still come. */
    private int abandoned;

    private boolean closed;
    private int maxTransfer = MAX_DATA;
    private int readUnderway;
    private volatile int waiting;
    private volatile long messagesSent;
    private volatile Thread sessionThread;

    DmaMessenger(SessionOutput output, long timeoutMillis) {
        this.output = output;
        this.lock = output.lock();
        this.timeoutNanos = TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        output.setWhenAnswered(this::sendQueued);
    }

    /** The thread that brings the answers, which therefore cannot wait for one. */
    void setSessionThread(Thread thread) {
        sessionThread = thread;
    }

    /** @param bytes what the client takes in one message, at least 1 */
    void setMaxTransfer(long bytes) {
        lock.lock();
        maxTransfer = (int) Math.min(bytes, MAX_DATA);
        lock.unlock();
    }

    @Override
    public boolean isReachable() {
        return Thread.currentThread() != sessionThread;
    }

    @Override
    public void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException {
        transfer(Command.DMA_READ, address, target, offset, length);
    }

    @Override
    public void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException {
        transfer(Command.DMA_WRITE, address, source, offset, length);
    }

    /** Messages sent so far; any thread. */
    long messagesSent() {
        return messagesSent;
    }

    /** Workers that wait for an answer or for their turn; any thread. */
    int waiting() {
        return waiting;
    }

    /**
     * The session's thread has received a reply.
     *
     * @return false when nobody asked for it
     */
    boolean replyArrived(Frame frame) {
        MessageHeader header = frame.header();
        lock.lock();
        try {
            DmaTransfer transfer = transfers[DmaTransfer.slotOf(header.id())];
            if (transfer != null && transfer.state() == DmaTransfer.State.SENT && transfer.id() == header.id()) {
                endOfRead(transfer);
                settle(transfer, frame);
                if (output.mayRequest()) {
                    sendQueued();
                }
                return true;
            }
            boolean late = abandoned > 0 && isDma(header.command());
            if (late) {
                abandoned--;
            }
            return late;
        } finally {
            lock.unlock();
        }
    }

    /**
     * Releases every worker that waits here, with a fault that is not the driver's: the client waits for an answer of ours, as QEMU
     * does that takes bus mastering away before a reset, and has none for us.
     */
    void cancelWaiting() {
        lock.lock();
        try {
            failAll(CANCELLED);
        } finally {
            lock.unlock();
        }
    }

    /** Releases every worker, now and in future. */
    void close() {
        lock.lock();
        try {
            closed = true;
            failAll(CANCELLED);
        } finally {
            lock.unlock();
        }
    }

    private void transfer(int command, long address, ByteBuffer buffer, int offset, int length)
            throws DmaFaultException {
        if (!isReachable()) {
            throw new DmaFaultException(
                    "memory behind messages is out of reach for the control thread", address, length);
        }
        long deadline = System.nanoTime() + timeoutNanos;
        int done = 0;
        while (done < length) {
            int part = Math.min(length - done, maxTransfer);
            transferPart(command, address + done, buffer, offset + done, part, deadline);
            done += part;
        }
    }

    private void transferPart(int command, long address, ByteBuffer buffer, int offset, int length, long deadline)
            throws DmaFaultException {
        DmaTransfer transfer = begin(command, address, buffer, offset, length);
        awaitSettled(transfer, deadline);
        String failure = transfer.failure;
        boolean gone;
        lock.lock();
        try {
            gone = closed || LOST.equals(failure) || CANCELLED.equals(failure);
            transfer.free();
            free.push(transfer);
            waiting--;
        } finally {
            lock.unlock();
        }
        if (failure != null) {
            throw gone
                    ? DmaFaultException.peerGone(failure, address, length)
                    : new DmaFaultException(failure, address, length);
        }
    }

    private DmaTransfer begin(int command, long address, ByteBuffer buffer, int offset, int length)
            throws DmaFaultException {
        lock.lock();
        try {
            if (closed) {
                throw DmaFaultException.peerGone(CANCELLED, address, length);
            }
            DmaTransfer transfer = newTransfer(address, length);
            transfer.begin(command, address, buffer, offset, length);
            waiting++;
            if (queued.isEmpty() && output.mayRequest() && hasRoomFor(transfer)) {
                send(transfer);
            } else {
                queued.add(transfer);
            }
            return transfer;
        } finally {
            lock.unlock();
        }
    }

    private DmaTransfer newTransfer(long address, int length) throws DmaFaultException {
        DmaTransfer transfer = free.poll();
        if (transfer == null) {
            if (created == transfers.length) {
                throw new DmaFaultException("too many DMA messages at once", address, length);
            }
            transfer = new DmaTransfer(created);
            transfers[created++] = transfer;
        }
        return transfer;
    }

    private void awaitSettled(DmaTransfer transfer, long deadline) {
        boolean interrupted = false;
        while (!transfer.isSettled()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                giveUp(transfer);
            } else {
                LockSupport.parkNanos(this, left);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void giveUp(DmaTransfer transfer) {
        lock.lock();
        try {
            if (!transfer.isSettled()) {
                queued.remove(transfer);
                fail(transfer, TIMED_OUT);
                if (output.mayRequest()) {
                    sendQueued();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /** The lock is held and the client waits for nothing. */
    private void sendQueued() {
        DmaTransfer transfer;
        while ((transfer = queued.peek()) != null && hasRoomFor(transfer)) {
            queued.remove();
            send(transfer);
        }
    }

    private boolean hasRoomFor(DmaTransfer transfer) {
        return transfer.command == Command.DMA_WRITE || readUnderway + transfer.length <= MAX_READ_UNDERWAY;
    }

    /** A request that was sent needs no more room for its reply. */
    private void endOfRead(DmaTransfer transfer) {
        if (transfer.command == Command.DMA_READ) {
            readUnderway -= transfer.length;
        }
    }

    private void send(DmaTransfer transfer) {
        boolean write = transfer.command == Command.DMA_WRITE;
        int payloadLength = DmaTransferPayload.SIZE + (write ? transfer.length : 0);
        payload.wrap(message.reserve(payloadLength), OutgoingMessage.payload());
        payload.set(transfer.address, transfer.length);
        if (write) {
            int data = OutgoingMessage.payload() + DmaTransferPayload.SIZE;
            message.memory().put(data, transfer.buffer, transfer.offset, transfer.length);
        }
        message.setHeader(transfer.id(), transfer.command, payloadLength, MessageHeader.TYPE_COMMAND, 0);
        transfer.sent();
        if (!write) {
            readUnderway += transfer.length;
        }
        try {
            output.send(message);
            messagesSent++;
        } catch (ErrnoException e) {
            // Part of the message may be out.
            endOfRead(transfer);
            transfer.fail(LOST);
            output.abort();
        }
    }

    private void settle(DmaTransfer transfer, Frame frame) {
        MessageHeader header = frame.header();
        answer.wrap(frame.bytes(), frame.payload());
        if (header.isError()) {
            transfer.fail("client refused a DMA message (" + Errno.text(header.errno()) + ")");
        } else if (transfer.command == Command.DMA_WRITE) {
            if (answer.isWriteReply(frame.payloadLength(), transfer.address, transfer.length)) {
                transfer.done();
            } else {
                transfer.fail("bad reply to DMA_WRITE");
            }
        } else if (answer.isReadReply(frame.payloadLength(), transfer.address, transfer.length)) {
            int data = frame.payload() + DmaTransferPayload.SIZE;
            transfer.buffer.put(transfer.offset, frame.memory(), data, transfer.length);
            transfer.done();
        } else {
            transfer.fail("bad reply to DMA_READ");
        }
    }

    private void failAll(String reason) {
        queued.clear();
        for (int i = 0; i < created; i++) {
            DmaTransfer transfer = transfers[i];
            if (transfer.state() == DmaTransfer.State.QUEUED || transfer.state() == DmaTransfer.State.SENT) {
                fail(transfer, reason);
            }
        }
    }

    private void fail(DmaTransfer transfer, String reason) {
        if (transfer.state() == DmaTransfer.State.SENT) {
            abandoned++;
            endOfRead(transfer);
        }
        transfer.fail(reason);
    }

    private static boolean isDma(int command) {
        return command == Command.DMA_READ || command == Command.DMA_WRITE;
    }
}
