package org.virtiobackend.conformance.runner;

/** There is nothing to check: nobody answers, or it is no virtio device. The message is one line for the user. */
public final class CannotRunException extends Exception {
    private static final long serialVersionUID = 1L;

    public CannotRunException(String message) {
        super(message);
    }
}
