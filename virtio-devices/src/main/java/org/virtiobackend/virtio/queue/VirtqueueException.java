package org.virtiobackend.virtio.queue;

/** A virtqueue that breaks the rules of chapter 2. The device cannot go on with it. No stack trace: a driver can cause many. */
public final class VirtqueueException extends Exception {
    private static final long serialVersionUID = 1L;

    private final boolean dmaFault;

    /** @param reason which rule was broken, with the offending numbers */
    public VirtqueueException(String reason) {
        this(reason, false);
    }

    private VirtqueueException(String reason, boolean dmaFault) {
        super(reason, null, false, false);
        this.dmaFault = dmaFault;
    }

    /** An address that the device may not touch. */
    static VirtqueueException dmaFault(String reason) {
        return new VirtqueueException(reason, true);
    }

    /** Whether the driver named memory that the device may not touch. */
    public boolean isDmaFault() {
        return dmaFault;
    }
}
