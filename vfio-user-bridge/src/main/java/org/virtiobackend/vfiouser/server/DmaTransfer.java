package org.virtiobackend.vfiouser.server;

import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.vfiouser.wire.Command;

/** One DMA message and the worker that waits for its answer. A reusable slot; everything changes under the output's lock. */
final class DmaTransfer {
    private static final int SLOT_BITS = 8;
    static final int SLOTS = 1 << SLOT_BITS;

    private enum State {
        FREE,
        /** Waits until it may be sent. */
        QUEUED,
        SENT,
        DONE,
        FAILED
    }

    private final int slot;
    private int generation;

    int command;
    long address;
    ByteBuffer buffer;
    int offset;
    int length;

    private DmaFailure failure;
    private int errno;
    /** Sent and given up: the slot is not used again before the answer has come. */
    private boolean late;

    private Thread owner;
    private volatile State state = State.FREE;

    DmaTransfer(int slot) {
        this.slot = slot;
    }

    void begin(int newCommand, long newAddress, ByteBuffer newBuffer, int newOffset, int newLength) {
        command = newCommand;
        address = newAddress;
        buffer = newBuffer;
        offset = newOffset;
        length = newLength;
        failure = null;
        errno = 0;
        owner = Thread.currentThread();
        generation++;
        state = State.QUEUED;
    }

    void sent() {
        state = State.SENT;
    }

    void done() {
        settle(State.DONE);
    }

    /** Answered, or never to be answered. */
    void fail(DmaFailure reason, int replyErrno) {
        failure = reason;
        errno = replyErrno;
        settle(State.FAILED);
    }

    /** Ends the wait of its worker, but not that for the answer if the message is out. */
    void giveUp(DmaFailure reason) {
        late = state == State.SENT;
        fail(reason, 0);
    }

    /** The answer to what was given up has come. */
    void lateAnswer() {
        late = false;
    }

    /** The worker has seen how it ended. */
    void free() {
        buffer = null;
        owner = null;
        state = State.FREE;
    }

    boolean isRead() {
        return command == Command.DMA_READ;
    }

    boolean isSent() {
        return state == State.SENT;
    }

    boolean isLate() {
        return late;
    }

    boolean isFree() {
        return state == State.FREE;
    }

    boolean isSettled() {
        State now = state;
        return now == State.DONE || now == State.FAILED;
    }

    /** What to tell the worker, or null when all is well. */
    DmaFaultException fault() {
        return failure == null ? null : failure.fault(errno, address, length);
    }

    /** The message id: unique among messages that can still be answered. */
    int id() {
        return slot | (generation << SLOT_BITS) & 0xffff;
    }

    static int slotOf(int id) {
        return id & (SLOTS - 1);
    }

    private void settle(State result) {
        Thread waiting = owner;
        state = result;
        LockSupport.unpark(waiting);
    }
}
