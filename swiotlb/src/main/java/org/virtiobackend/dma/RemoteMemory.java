package org.virtiobackend.dma;

import java.nio.ByteBuffer;

/**
 * Memory that can only be reached by asking for it: guest RAM that the client did not share. Calls block until the peer has
 * answered and come from the worker that owns the queue.
 */
public interface RemoteMemory {
    /**
     * A thread that has more to do than wait for an answer. One process may be the client of many devices that share a thread, and it
     * answers none while it waits for one.
     */
    interface Waiter {
        /**
         * Whether it has to get back to its work: then the call ends with {@link DmaFaultException#isNotNow}. Asked on that thread, again
         * each time that it is unparked.
         */
        boolean isWanted();
    }

    /** Whether the calling thread can wait for an answer: the one that brings the answers cannot. */
    default boolean isReachable() {
        return true;
    }

    /**
     * Reads from the peer.
     *
     * @param address in the client's DMA space
     * @param target gets the bytes at {@code [offset, offset + length)}; position and limit stay
     * @throws DmaFaultException when the peer refuses, has gone, or cannot be asked now: see {@link DmaFaultException#isNotNow}
     */
    void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException;

    /** Writes to the peer; like {@link #read}. */
    void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException;
}
