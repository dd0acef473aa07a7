package org.virtiobackend.vfiouser.server;

import java.nio.ByteBuffer;
import java.util.concurrent.locks.LockSupport;

/** One DMA message and the worker that waits for its answer. A reusable slot; everything changes under the output's lock. */
final class DmaTransfer {
    private static final int SLOT_BITS = 8;
    static final int SLOTS = 1 << SLOT_BITS;

    enum State {
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
    /** Why it failed, a text for people. */
    String failure;

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
        owner = Thread.currentThread();
        // A late answer to what this slot was used for before carries another id.
        generation++;
        state = State.QUEUED;
    }

    void sent() {
        state = State.SENT;
    }

    void done() {
        settle(State.DONE);
    }

    void fail(String reason) {
        failure = reason;
        settle(State.FAILED);
    }

    void free() {
        buffer = null;
        owner = null;
        state = State.FREE;
    }

    State state() {
        return state;
    }

    boolean isSettled() {
        State now = state;
        return now == State.DONE || now == State.FAILED;
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
