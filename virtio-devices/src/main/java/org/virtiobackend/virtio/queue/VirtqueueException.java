package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.DmaFaultException;

/** A virtqueue that breaks the rules of chapter 2. The device cannot go on with it. No stack trace: a driver can cause many. */
public final class VirtqueueException extends Exception {
    private static final long serialVersionUID = 1L;

    private enum Kind {
        BROKEN_RULE,
        DMA_FAULT,
        PEER_GONE,
        NOT_NOW,
        FOR_WORKER
    }

    private final Kind kind;

    /** @param reason which rule was broken, with the offending numbers */
    public VirtqueueException(String reason) {
        this(reason, Kind.BROKEN_RULE);
    }

    private VirtqueueException(String reason, Kind kind) {
        super(reason, null, false, false);
        this.kind = kind;
    }

    /** What became of an access to memory, as the fault says. */
    static VirtqueueException of(String what, DmaFaultException fault) {
        return new VirtqueueException(what + ": " + fault.getMessage(), kindOf(fault));
    }

    private static Kind kindOf(DmaFaultException fault) {
        if (fault.isWrongThread()) {
            return Kind.FOR_WORKER;
        }
        if (fault.isNotNow()) {
            return Kind.NOT_NOW;
        }
        return fault.isPeerGone() ? Kind.PEER_GONE : Kind.DMA_FAULT;
    }

    /** Whether the driver named memory that the device may not touch. */
    public boolean isDmaFault() {
        return kind == Kind.DMA_FAULT;
    }

    /** Whether nobody did anything wrong: the client that has the memory is no longer there. */
    public boolean isPeerGone() {
        return kind == Kind.PEER_GONE;
    }

    /**
     * Whether the same call has to be made again when control has gone on, mostly after {@link Virtqueue#reattach}: the memory cannot be reached now. Nothing
     * was lost: a chain that was to be polled is still available, one that was to be added is not added.
     */
    public boolean isNotNow() {
        return kind == Kind.NOT_NOW;
    }

    /** Whether the same poll would do on the queue's worker, instead of a thread that cannot wait. */
    public boolean isForWorker() {
        return kind == Kind.FOR_WORKER;
    }
}
