package org.virtiobackend.devices.blk.backend;

import java.io.IOException;

/** An image that cannot be a disk. The message is one line for the person who named it. */
public final class ImageException extends IOException {
    private static final long serialVersionUID = 1L;

    public ImageException(String image, String reason) {
        super("image " + image + ": " + reason);
    }
}
