package org.virtiobackend.virtio.pci.driver;

import java.io.IOException;

/** A device that cannot be driven: it is not what it should be, refuses, or does not answer in time. */
public final class VirtioDriverException extends IOException {
    private static final long serialVersionUID = 1L;

    public VirtioDriverException(String message) {
        super(message);
    }
}
