package org.virtiobackend.conformance.runner;

/** Ends a check: what the clause in question asks for did not happen, and going on makes no sense. */
public final class CheckFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public CheckFailure(String message) {
        super(message, null, false, false);
    }
}
