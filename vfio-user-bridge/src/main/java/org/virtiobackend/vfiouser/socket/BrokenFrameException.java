package org.virtiobackend.vfiouser.socket;

import java.io.IOException;

/** A header whose size cannot be true: where the next message starts is unknown, so the connection is lost. */
public final class BrokenFrameException extends IOException {
    private static final long serialVersionUID = 1L;
    private final int id;
    private final int command;
    private final boolean wantsReply;

    BrokenFrameException(int id, int command, boolean wantsReply, long size) {
        super("message of " + size + " bytes");
        this.id = id;
        this.command = command;
        this.wantsReply = wantsReply;
    }

    public int id() {
        return id;
    }

    public int command() {
        return command;
    }

    /** Whether it is a command whose sender waits. */
    public boolean wantsReply() {
        return wantsReply;
    }
}
