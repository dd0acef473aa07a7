package org.virtiobackend.virtio;

import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/** Device-independent feature bits, as masks (virtio 1.4 chapter 6). Bits 0-23 and 50-127 belong to the device type. */
public final class VirtioFeature {
    public static final long VIRTIO_F_INDIRECT_DESC = 1L << 28;
    public static final long VIRTIO_F_EVENT_IDX = 1L << 29;
    public static final long VIRTIO_F_VERSION_1 = 1L << 32;
    public static final long VIRTIO_F_ACCESS_PLATFORM = 1L << 33;
    public static final long VIRTIO_F_RING_PACKED = 1L << 34;
    public static final long VIRTIO_F_IN_ORDER = 1L << 35;
    public static final long VIRTIO_F_ORDER_PLATFORM = 1L << 36;
    public static final long VIRTIO_F_SR_IOV = 1L << 37;
    public static final long VIRTIO_F_NOTIFICATION_DATA = 1L << 38;
    public static final long VIRTIO_F_NOTIF_CONFIG_DATA = 1L << 39;
    public static final long VIRTIO_F_RING_RESET = 1L << 40;
    public static final long VIRTIO_F_ADMIN_VQ = 1L << 41;
    public static final long VIRTIO_F_SUSPEND = 1L << 43;

    /** Bits that are defined for every device type, transport and queue: 24 to 49. */
    public static final long COMMON_MASK = ((1L << 50) - 1) & ~((1L << 24) - 1);

    private static final Map<Long, String> NAMES = new LinkedHashMap<>();

    static {
        NAMES.put(RestrictedDma.VIRTIO_F_SWIOTLB, "SWIOTLB");
        NAMES.put(VIRTIO_F_INDIRECT_DESC, "INDIRECT_DESC");
        NAMES.put(VIRTIO_F_EVENT_IDX, "EVENT_IDX");
        NAMES.put(VIRTIO_F_VERSION_1, "VERSION_1");
        NAMES.put(VIRTIO_F_ACCESS_PLATFORM, "ACCESS_PLATFORM");
        NAMES.put(VIRTIO_F_RING_PACKED, "RING_PACKED");
        NAMES.put(VIRTIO_F_IN_ORDER, "IN_ORDER");
        NAMES.put(VIRTIO_F_ORDER_PLATFORM, "ORDER_PLATFORM");
        NAMES.put(VIRTIO_F_NOTIFICATION_DATA, "NOTIFICATION_DATA");
        NAMES.put(VIRTIO_F_NOTIF_CONFIG_DATA, "NOTIF_CONFIG_DATA");
        NAMES.put(VIRTIO_F_RING_RESET, "RING_RESET");
        NAMES.put(VIRTIO_F_ADMIN_VQ, "ADMIN_VQ");
        NAMES.put(VIRTIO_F_SUSPEND, "SUSPEND");
        NAMES.put(RestrictedDma.VIRTIO_F_DMB, "DMB");
    }

    private VirtioFeature() {}

    /** Names of the device-independent bits that are set, separated by spaces; other bits are left out. */
    public static String names(long features) {
        StringJoiner text = new StringJoiner(" ");
        NAMES.forEach((mask, name) -> {
            if ((features & mask) != 0) {
                text.add(name);
            }
        });
        return text.toString();
    }

    /** The mask of a device-independent feature by name, case and the VIRTIO_F_ prefix do not matter; 0 when unknown. */
    public static long byName(String name) {
        String wanted = name.toUpperCase(Locale.ROOT).replaceFirst("^VIRTIO_F_", "");
        return NAMES.entrySet().stream()
                .filter(e -> e.getValue().equals(wanted))
                .mapToLong(Map.Entry::getKey)
                .findFirst()
                .orElse(0);
    }
}
