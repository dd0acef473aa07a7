package org.virtiobackend.vfiouser.client;

import org.virtiobackend.vfiouser.wire.DeviceInfoPayload;

/** Answer to DEVICE_GET_INFO. */
public record DeviceInfo(int flags, int regions, int irqs) {
    public boolean isResettable() {
        return (flags & DeviceInfoPayload.FLAG_RESET) != 0;
    }

    public boolean isPci() {
        return (flags & DeviceInfoPayload.FLAG_PCI) != 0;
    }
}
