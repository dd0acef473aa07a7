package org.virtiobackend.vfiouser.server;

import java.util.function.BooleanSupplier;

/** A connected client, as its function sees it. */
public interface ClientSession {
    /** Counts clients from 1, for people. */
    int id();

    /**
     * Waits for workers on the session's thread; commands of the client queue up. Returns when {@code done} is true, on another thread
     * after a while: the caller checks again. Meanwhile a worker that needs memory behind DMA messages is sent back with
     * {@link org.virtiobackend.dma.DmaFaultException#isNotNow}: the client may be waiting for us to answer first, as QEMU does.
     */
    void await(BooleanSupplier done);

    /**
     * Runs {@code work} on the session's thread as soon as the command that it is executing has been answered. The work does not block
     * and does not throw.
     *
     * @return false when the caller is not the session's thread, or it has such work already: nothing will run
     */
    boolean afterAnswer(Runnable work);

    /** Whether the client waits for the answer to the command under way. On the session's thread. */
    boolean isAwaited();

    /** DMA_READ and DMA_WRITE messages sent so far. Any thread. */
    long dmaMessagesSent();
}
