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

    /** Whether a clause is about a device type that is not this one. */
    static boolean isOfOtherType(String clause, int deviceType) {
        return clause.startsWith("NET-") && deviceType != VirtioDeviceId.NET
                || clause.startsWith("BLK-") && deviceType != VirtioDeviceId.BLOCK
                || clause.startsWith("FS-") && deviceType != VirtioDeviceId.FS;
    }
}
