package org.virtiobackend.virtio.device;

/** A device that cannot start with what was negotiated. */
public final class DeviceActivationException extends Exception {
    private static final long serialVersionUID = 1L;

    public DeviceActivationException(String message) {
        super(message);
    }

    public DeviceActivationException(String message, Throwable cause) {
        super(message, cause);
    }
}
