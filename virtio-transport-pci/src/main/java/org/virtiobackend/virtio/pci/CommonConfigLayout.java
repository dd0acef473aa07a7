package org.virtiobackend.virtio.pci;

import org.virtiobackend.virtio.RestrictedDma;

/** Offsets in the common configuration structure (virtio 1.4 4.1.4.3). */
public final class CommonConfigLayout {
    public static final int DEVICE_FEATURE_SELECT = 0x00;
    public static final int DEVICE_FEATURE = 0x04;
    public static final int DRIVER_FEATURE_SELECT = 0x08;
    public static final int DRIVER_FEATURE = 0x0c;
    public static final int CONFIG_MSIX_VECTOR = 0x10;
    public static final int NUM_QUEUES = 0x12;
    public static final int DEVICE_STATUS = 0x14;
    public static final int CONFIG_GENERATION = 0x15;
    public static final int QUEUE_SELECT = 0x16;
    public static final int QUEUE_SIZE = 0x18;
    public static final int QUEUE_MSIX_VECTOR = 0x1a;
    public static final int QUEUE_ENABLE = 0x1c;
    public static final int QUEUE_NOTIFY_OFF = 0x1e;
    public static final int QUEUE_DESC = 0x20;
    public static final int QUEUE_DRIVER = 0x28;
    public static final int QUEUE_DEVICE = 0x30;
    public static final int QUEUE_NOTIF_CONFIG_DATA = 0x38;
    public static final int QUEUE_RESET = 0x3a;
    public static final int ADMIN_QUEUE_INDEX = 0x3c;
    public static final int ADMIN_QUEUE_NUM = 0x3e;
    /** Bytes of the structure as ratified. */
    public static final int LENGTH = 0x40;
    /** Bytes with the register of the DMB proposal, rounded up to a dword. */
    public static final int LENGTH_WITH_DMB = RestrictedDma.DMB_SHM_ID_OFFSET + 4;

    /** Vector value that unmaps an event (virtio 1.4 4.1.5.1.2). */
    public static final int NO_VECTOR = 0xffff;

    private CommonConfigLayout() {}
}
