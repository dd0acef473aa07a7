package org.virtiobackend.cli;

/**
 * The user asked for something that cannot be; the message is one line for that user. Ends the program with status 2.
 */
public final class BadInputException extends Exception {
    private static final long serialVersionUID = 1L;

    public BadInputException(String message) {
        super(message);
    }
}
