package org.virtiobackend.devices.net.backend;

import java.io.IOException;

/** A backend that cannot be used as asked; the message is one line for the user. */
public final class NetBackendException extends IOException {
    private static final long serialVersionUID = 1L;

    public NetBackendException(String message) {
        super(message);
    }
}
