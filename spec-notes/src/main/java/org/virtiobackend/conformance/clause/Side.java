package org.virtiobackend.conformance.clause;

/** Whom a clause binds. */
public enum Side {
    DEVICE("device", "DEV", "Device Requirements:"),
    DRIVER("driver", "DRV", "Driver Requirements:");

    private final String text;
    private final String idPart;
    private final String titleStart;

    Side(String text, String idPart, String titleStart) {
        this.text = text;
        this.idPart = idPart;
        this.titleStart = titleStart;
    }

    /** As the data writes it. */
    public String text() {
        return text;
    }

    /** The part of a clause id that names the side. */
    String idPart() {
        return idPart;
    }

    /** How the title of a normative section for this side begins. */
    String titleStart() {
        return titleStart;
    }

    /** The side of this spelling, or null. */
    static Side of(String text) {
        for (Side side : values()) {
            if (side.text.equals(text)) {
                return side;
            }
        }
        return null;
    }
}
