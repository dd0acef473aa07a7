package org.virtiobackend.vfiouser.client;

/** How a client reads DMA_READ and DMA_WRITE. */
public enum DmaLayout {
    /** A 64-bit count, data behind it; replies to writes repeat both fields. What QEMU 11 and libvfio-user speak. */
    SPECIFICATION,
    /** A 32-bit count with data right behind it, header-only replies to writes: QEMU 10. */
    COUNT32
}
