package org.virtiobackend.dma;

/** What the device wants to do with memory, seen from the device. */
public enum DmaAccess {
    /** The device only reads: a device-readable buffer, a descriptor table, the available ring. */
    READ,
    /** The device writes (and may read): a device-writable buffer, the used ring. */
    WRITE
}
