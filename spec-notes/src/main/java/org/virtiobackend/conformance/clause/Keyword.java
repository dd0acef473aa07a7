package org.virtiobackend.conformance.clause;

/** How strong a clause is, in the words of RFC 2119. */
public enum Keyword {
    MUST("MUST"),
    MUST_NOT("MUST NOT"),
    SHOULD("SHOULD"),
    SHOULD_NOT("SHOULD NOT"),
    MAY("MAY");

    private final String text;

    Keyword(String text) {
        this.text = text;
    }

    /** As the specification writes it. */
    public String text() {
        return text;
    }

    /** Whether breaking the clause is a fault rather than a weakness. */
    public boolean isMandatory() {
        return this == MUST || this == MUST_NOT;
    }

    /** The keyword of this spelling, or null. */
    static Keyword of(String text) {
        for (Keyword keyword : values()) {
            if (keyword.text.equals(text)) {
                return keyword;
            }
        }
        return null;
    }
}
