package org.virtiobackend.conformance.clause;

/** Whether somebody at the other end of the wire can tell that a clause is kept. */
public enum Status {
    /** Observable: a check decides. */
    CHECK("check"),
    /** Binding, but nothing on the wire shows it. */
    NOT_OBSERVABLE("not-observable"),
    /** About something that does not exist here: a feature never offered, another transport, the legacy interface. */
    NOT_APPLICABLE("not-applicable");

    private final String text;

    Status(String text) {
        this.text = text;
    }

    /** As the data writes it. */
    public String text() {
        return text;
    }

    /** The status of this spelling, or null. */
    static Status of(String text) {
        for (Status status : values()) {
            if (status.text.equals(text)) {
                return status;
            }
        }
        return null;
    }
}
