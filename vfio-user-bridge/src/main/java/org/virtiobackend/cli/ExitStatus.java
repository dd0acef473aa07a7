package org.virtiobackend.cli;

/** Exit statuses of the program. */
final class ExitStatus {
    static final int OK = 0;
    static final int FAULT = 1;
    static final int BAD_INPUT = 2;

    private ExitStatus() {}
}
