package org.virtiobackend.virtio.pci;

/** The vendor capabilities of virtio: types and layout (virtio 1.4 4.1.4). */
public final class VirtioPciCapability {
    public static final int VIRTIO_PCI_CAP_COMMON_CFG = 1;
    public static final int VIRTIO_PCI_CAP_NOTIFY_CFG = 2;
    public static final int VIRTIO_PCI_CAP_ISR_CFG = 3;
    public static final int VIRTIO_PCI_CAP_DEVICE_CFG = 4;
    public static final int VIRTIO_PCI_CAP_PCI_CFG = 5;
    public static final int VIRTIO_PCI_CAP_SHARED_MEMORY_CFG = 8;
    public static final int VIRTIO_PCI_CAP_VENDOR_CFG = 9;

    public static final int CAP_LEN = 2;
    public static final int CFG_TYPE = 3;
    public static final int BAR = 4;
    public static final int ID = 5;
    public static final int OFFSET = 8;
    public static final int LENGTH = 12;
    /** Bytes of {@code struct virtio_pci_cap}. */
    public static final int SIZE = 16;

    /** What follows it in a notification capability. */
    public static final int NOTIFY_OFF_MULTIPLIER = 16;

    public static final int NOTIFY_SIZE = 20;

    /** What follows it in a PCI configuration access capability. */
    public static final int PCI_CFG_DATA = 16;

    public static final int PCI_CFG_SIZE = 20;

    /** What follows it in {@code struct virtio_pci_cap64}. */
    public static final int OFFSET_HI = 16;

    public static final int LENGTH_HI = 20;
    public static final int SIZE_64 = 24;

    /** In a vendor data capability: vendor id, then data. */
    public static final int VENDOR_DATA_ID = 4;

    public static final int VENDOR_DATA = 6;

    /** PCI vendor id of virtio; the device id is {@link #DEVICE_ID_BASE} plus the device type (virtio 1.4 4.1.2.1). */
    public static final int VENDOR_ID = 0x1af4;

    public static final int DEVICE_ID_BASE = 0x1040;

    private VirtioPciCapability() {}
}
