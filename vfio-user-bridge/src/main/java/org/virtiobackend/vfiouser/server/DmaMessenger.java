package org.virtiobackend.vfiouser.server;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.vfiouser.socket.Frame;
import org.virtiobackend.vfiouser.wire.Command;

/**
 * Memory of a client that is reached by DMA_READ and DMA_WRITE messages on the session's socket. Workers call and block; the
 * session's thread brings the answers.
 *
 * <p>A request that may not be sent yet (see {@link SessionOutput}) is queued, and the session's thread sends it right behind the
 * reply that the client was waiting for. A call ends within its time limit whatever the client does, and at once when the
 * session's thread itself has to wait for workers (see {@link #hold}) or another device wants the worker ({@link Waiter}).
 */
final class DmaMessenger implements RemoteMemory {
    /** Data in one message: replies must fit the smallest usual socket buffer, 208 KiB with the kernel's book-keeping in it. */
    static final int MAX_DATA = 64 << 10;

    private static final Waiter NEVER_WANTED = () -> false;

    private final ReentrantLock lock;
    private final DmaMessages messages;
    private final long timeoutNanos;
    private int maxTransfer = MAX_DATA;
    /** Why nothing is accepted now, or null. */
    private DmaFailure refusal;

    private volatile int waiting;
    private volatile Thread sessionThread;

    DmaMessenger(SessionOutput output, long timeoutMillis) {
        this.lock = output.lock();
        this.messages = new DmaMessages(output);
        this.timeoutNanos = TimeUnit.MILLISECONDS.toNanos(timeoutMillis);
        output.setWhenAnswered(messages::sendQueued);
    }

    /** The thread that brings the answers, which therefore cannot wait for one. */
    void setSessionThread(Thread thread) {
        sessionThread = thread;
    }

    /** What is asked just before a message is sent: memory that is unmapped by then is not touched any more. */
    void setMapped(DmaMessages.Mapped mapped) {
        messages.setMapped(mapped);
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
        return messages.messagesSent();
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
        lock.lock();
        try {
            return messages.replyArrived(frame);
        } finally {
            lock.unlock();
        }
    }

    /**
     * The session's thread is going to wait for workers, and the client for its answer: QEMU serves no DMA message until it has it.
     * So every worker that waits here is sent back with {@link DmaFaultException#isNotNow}, now and until {@link #release}. What was
     * sent stands before that answer in the stream; its own answer is taken no notice of.
     */
    void hold() {
        refuse(DmaFailure.HELD);
    }

    /** Ends {@link #hold}. */
    void release() {
        lock.lock();
        try {
            if (refusal == DmaFailure.HELD) {
                refusal = null;
            }
        } finally {
            lock.unlock();
        }
    }

    /** Releases every worker, now and in future. */
    void close() {
        refuse(DmaFailure.CLOSED);
    }

    private void refuse(DmaFailure reason) {
        lock.lock();
        try {
            if (refusal != DmaFailure.CLOSED) {
                refusal = reason;
                messages.giveUpAll(reason);
            }
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
        Waiter waiter = Thread.currentThread() instanceof Waiter w ? w : NEVER_WANTED;
        if (waiter.isWanted()) {
            throw DmaFailure.HELD.fault(0, address, length);
        }
        DmaTransfer transfer = begin(command, address, buffer, offset, length);
        awaitSettled(transfer, deadline, waiter);
        DmaFaultException fault = transfer.fault();
        lock.lock();
        try {
            messages.release(transfer);
            waiting--;
        } finally {
            lock.unlock();
        }
        if (fault != null) {
            throw fault;
        }
    }

    private DmaTransfer begin(int command, long address, ByteBuffer buffer, int offset, int length)
            throws DmaFaultException {
        lock.lock();
        try {
            if (refusal != null) {
                throw refusal.fault(0, address, length);
            }
            DmaTransfer transfer = messages.take();
            if (transfer == null) {
                throw DmaFailure.TOO_MANY.fault(0, address, length);
            }
            transfer.begin(command, address, buffer, offset, length);
            waiting++;
            messages.submit(transfer);
            return transfer;
        } finally {
            lock.unlock();
        }
    }

    private void awaitSettled(DmaTransfer transfer, long deadline, Waiter waiter) {
        boolean interrupted = false;
        while (!transfer.isSettled()) {
            long left = deadline - System.nanoTime();
            if (left <= 0) {
                giveUp(transfer, DmaFailure.TIMED_OUT);
            } else if (waiter.isWanted()) {
                giveUp(transfer, DmaFailure.HELD);
            } else {
                LockSupport.parkNanos(this, left);
                interrupted |= Thread.interrupted();
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void giveUp(DmaTransfer transfer, DmaFailure reason) {
        lock.lock();
        try {
            messages.giveUp(transfer, reason);
        } finally {
            lock.unlock();
        }
    }
}
