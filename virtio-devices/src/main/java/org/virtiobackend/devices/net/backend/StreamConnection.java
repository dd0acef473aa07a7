package org.virtiobackend.devices.net.backend;

import org.virtiobackend.posix.Fd;

/** A connected socket with several users: it is closed when the last of them lets go. Guarded by its owner. */
final class StreamConnection {
    private final Fd fd;
    private int users = 1;
    private volatile boolean current = true;

    StreamConnection(Fd fd) {
        this.fd = fd;
    }

    Fd fd() {
        return fd;
    }

    /** Any thread: whether nobody has found it broken. */
    boolean isCurrent() {
        return current;
    }

    void retire() {
        current = false;
    }

    void retain() {
        users++;
    }

    void release() {
        if (--users == 0) {
            fd.close();
        }
    }
}
