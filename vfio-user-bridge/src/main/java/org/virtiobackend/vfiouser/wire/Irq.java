package org.virtiobackend.vfiouser.wire;

/** Interrupt indexes of a PCI device, and the flags that describe one. */
public final class Irq {
    public static final int INTX = 0;
    public static final int MSI = 1;
    public static final int MSIX = 2;
    public static final int ERR = 3;
    public static final int REQ = 4;
    public static final int COUNT = 5;

    public static final int FLAG_EVENTFD = 1;
    public static final int FLAG_MASKABLE = 2;
    public static final int FLAG_AUTOMASKED = 4;
    public static final int FLAG_NORESIZE = 8;

    private Irq() {}
}
