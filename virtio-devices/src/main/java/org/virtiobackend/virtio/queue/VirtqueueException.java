package org.virtiobackend.virtio.queue;

/** A virtqueue that breaks the rules of chapter 2. The device cannot go on with it. No stack trace: a driver can cause many. */
public final class VirtqueueException extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean dmaFault;
    private final boolean peerGone;

    /** @param reason which rule was broken, with the offending numbers */
    public VirtqueueException(String reason) {
        this(reason, false, false);
    }

    private VirtqueueException(String reason, boolean dmaFault, boolean peerGone) {
        super(reason, null, false, false);
        this.dmaFault = dmaFault;
        this.peerGone = peerGone;
    }

    /**
     * An address that the device cannot reach.
     *
     * @param peerGone because the client is no longer there; otherwise it may not touch it
     */
    static VirtqueueException dmaFault(String reason, boolean peerGone) {
        return new VirtqueueException(reason, !peerGone, peerGone);
    }

    /** Whether the driver named memory that the device may not touch. */
    public boolean isDmaFault() {
        return dmaFault;
    }

    /** Whether nobody did anything wrong: the client that has the memory is no longer there. */
    public boolean isPeerGone() {
        return peerGone;
    }
}
