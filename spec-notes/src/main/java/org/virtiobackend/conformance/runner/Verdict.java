package org.virtiobackend.conformance.runner;

/** What became of a clause. */
public enum Verdict {
    PASS("pass"),
    /** A fault when the clause is a MUST or MUST NOT, a weakness otherwise. */
    FAIL("fail"),
    NOT_APPLICABLE("not applicable"),
    NOT_OBSERVABLE("not observable"),
    /** Chosen, yet the run ended before. */
    NOT_RUN("not run");

    private final String text;

    Verdict(String text) {
        this.text = text;
    }

    /** For reports. */
    public String text() {
        return text;
    }
}
