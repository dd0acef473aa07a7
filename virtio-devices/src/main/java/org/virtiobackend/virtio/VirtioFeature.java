package org.virtiobackend.virtio;

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

    private static final FeatureNames NAMES = new FeatureNames("VIRTIO_F_")
            .add("SWIOTLB", RestrictedDma.VIRTIO_F_SWIOTLB)
            .add("INDIRECT_DESC", VIRTIO_F_INDIRECT_DESC)
            .add("EVENT_IDX", VIRTIO_F_EVENT_IDX)
            .add("VERSION_1", VIRTIO_F_VERSION_1)
            .add("ACCESS_PLATFORM", VIRTIO_F_ACCESS_PLATFORM)
            .add("RING_PACKED", VIRTIO_F_RING_PACKED)
            .add("IN_ORDER", VIRTIO_F_IN_ORDER)
            .add("ORDER_PLATFORM", VIRTIO_F_ORDER_PLATFORM)
            .add("NOTIFICATION_DATA", VIRTIO_F_NOTIFICATION_DATA)
            .add("NOTIF_CONFIG_DATA", VIRTIO_F_NOTIF_CONFIG_DATA)
            .add("RING_RESET", VIRTIO_F_RING_RESET)
            .add("ADMIN_VQ", VIRTIO_F_ADMIN_VQ)
            .add("SUSPEND", VIRTIO_F_SUSPEND)
            .add("DMB", RestrictedDma.VIRTIO_F_DMB);

    private VirtioFeature() {}

    /** Names of the device-independent bits that are set, separated by spaces; other bits are left out. */
    public static String names(long features) {
        return NAMES.names(features);
    }

    /** The mask of a device-independent feature by name, case and the VIRTIO_F_ prefix do not matter; 0 when unknown. */
    public static long byName(String name) {
        return NAMES.byName(name);
    }
}
