package org.virtiobackend.pci;

/** Offsets and bits of the type 0 configuration header and of the capabilities that a function here can have. */
public final class PciRegisters {
    public static final int VENDOR_ID = 0x00;
    public static final int DEVICE_ID = 0x02;
    public static final int COMMAND = 0x04;
    public static final int STATUS = 0x06;
    public static final int REVISION_ID = 0x08;
    public static final int CLASS_CODE = 0x09;
    public static final int CACHE_LINE_SIZE = 0x0c;
    public static final int BAR0 = 0x10;
    public static final int SUBSYSTEM_VENDOR_ID = 0x2c;
    public static final int SUBSYSTEM_ID = 0x2e;
    public static final int ROM_BAR = 0x30;
    public static final int CAPABILITIES_POINTER = 0x34;
    public static final int INTERRUPT_LINE = 0x3c;
    public static final int INTERRUPT_PIN = 0x3d;

    public static final int COMMAND_IO = 1;
    public static final int COMMAND_MEMORY = 1 << 1;
    public static final int COMMAND_MASTER = 1 << 2;
    public static final int COMMAND_PARITY = 1 << 6;
    public static final int COMMAND_SERR = 1 << 8;
    public static final int COMMAND_INTX_DISABLE = 1 << 10;

    public static final int STATUS_INTERRUPT = 1 << 3;
    public static final int STATUS_CAP_LIST = 1 << 4;

    public static final int BAR_IO = 1;
    public static final int BAR_TYPE_MASK = 6;
    public static final int BAR_TYPE_64 = 4;
    public static final int BAR_PREFETCHABLE = 8;

    public static final int CAP_ID_PM = 0x01;
    public static final int CAP_ID_VENDOR = 0x09;
    public static final int CAP_ID_EXPRESS = 0x10;
    public static final int CAP_ID_MSIX = 0x11;

    /** Power management: control and status, offset in the capability. */
    public static final int PM_CONTROL = 4;

    public static final int PM_STATE_MASK = 3;
    public static final int PM_STATE_D0 = 0;
    public static final int PM_STATE_D3HOT = 3;

    /** PCI Express: device capabilities, offset in the capability. */
    public static final int EXPRESS_DEVCAP = 4;

    public static final int EXPRESS_DEVCTL = 8;
    public static final int DEVCAP_FLR = 1 << 28;
    public static final int DEVCTL_FLR = 1 << 15;

    /** MSI-X: message control, offset in the capability. */
    public static final int MSIX_CONTROL = 2;

    public static final int MSIX_TABLE = 4;
    public static final int MSIX_PBA = 8;
    public static final int MSIX_TABLE_SIZE_MASK = 0x7ff;
    public static final int MSIX_FUNCTION_MASK = 1 << 14;
    public static final int MSIX_ENABLE = 1 << 15;
    /** The low bits of the table and PBA dwords name the BAR. */
    public static final int MSIX_BIR_MASK = 7;

    /** Bytes of a MSI-X table entry; vector control is its last dword, bit 0 masks. */
    public static final int MSIX_ENTRY_SIZE = 16;

    public static final int MSIX_ENTRY_CONTROL = 12;
    public static final int MSIX_MAX_VECTORS = 2048;

    /** Bytes of the configuration space that a conventional capability can lie in. */
    public static final int CONVENTIONAL_SIZE = 0x100;

    public static final int FIRST_CAPABILITY = 0x40;
    public static final int CONFIG_SIZE = 0x1000;

    private PciRegisters() {}
}
