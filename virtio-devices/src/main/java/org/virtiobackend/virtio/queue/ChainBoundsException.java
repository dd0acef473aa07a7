package org.virtiobackend.virtio.queue;

/** A chain shorter than what its request needs. Unchecked, without a stack trace: handlers check lengths first. */
public final class ChainBoundsException extends RuntimeException {
    private static final long serialVersionUID = 1L;
    static final ChainBoundsException INSTANCE = new ChainBoundsException();

    private ChainBoundsException() {
        super("descriptor chain is shorter than the request", null, false, false);
    }
}
