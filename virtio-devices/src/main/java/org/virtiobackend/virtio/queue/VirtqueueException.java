package org.virtiobackend.virtio.queue;

/** A virtqueue that breaks the rules of chapter 2. The device cannot go on with it. No stack trace: a driver can cause many. */
public final class VirtqueueException extends Exception {
    private static final long serialVersionUID = 1L;

    private enum Kind {
        BROKEN_RULE,
        DMA_FAULT,
        PEER_GONE,
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

    /**
     * An address that the device cannot reach.
     *
     * @param peerGone because the client is no longer there, or has no answer for us; otherwise it may not touch it
     */
    static VirtqueueException dmaFault(String reason, boolean peerGone) {
        return new VirtqueueException(reason, peerGone ? Kind.PEER_GONE : Kind.DMA_FAULT);
    }

    /** Nothing is wrong, but only the worker can wait for the memory that is needed; the chain stays available. */
    static VirtqueueException forWorker(String reason) {
        return new VirtqueueException(reason, Kind.FOR_WORKER);
    }

    /** Whether the driver named memory that the device may not touch. */
    public boolean isDmaFault() {
        return kind == Kind.DMA_FAULT;
    }

    /** Whether nobody did anything wrong: the client that has the memory is no longer there, or has no answer for us. */
    public boolean isPeerGone() {
        return kind == Kind.PEER_GONE;
    }

    /** Whether the same poll would do on the queue's worker, instead of a thread that cannot wait. */
    public boolean isForWorker() {
        return kind == Kind.FOR_WORKER;
    }
}
