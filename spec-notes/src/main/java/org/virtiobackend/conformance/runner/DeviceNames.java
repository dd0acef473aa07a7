package org.virtiobackend.conformance.runner;

import org.virtiobackend.virtio.VirtioDeviceId;

/** Device types in words. */
final class DeviceNames {
    private DeviceNames() {}

    static String of(int deviceType) {
        String name = switch (deviceType) {
            case VirtioDeviceId.NET -> "network";
            case VirtioDeviceId.BLOCK -> "block";
            case VirtioDeviceId.FS -> "file system";
            default -> "device";
        };
        return "virtio " + name + " (type " + deviceType + ")";
    }
}
