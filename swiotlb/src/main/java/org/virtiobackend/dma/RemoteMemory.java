package org.virtiobackend.dma;

import java.nio.ByteBuffer;

/**
 * Memory that can only be reached by asking for it: guest RAM that the client did not share. Calls block until the peer has
 * answered and come from the worker that owns the queue.
 */
public interface RemoteMemory {
    /** Whether the calling thread can wait for an answer: the one that brings the answers cannot. */
    default boolean isReachable() {
        return true;
    }

    /**
     * Reads from the peer.
     *
     * @param address in the client's DMA space
     * @param target gets the bytes at {@code [offset, offset + length)}; position and limit stay
     * @throws DmaFaultException when the peer refuses or has gone
     */
    void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException;

    /** Writes to the peer; like {@link #read}. */
    void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException;
}
