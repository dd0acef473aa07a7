package org.virtiobackend.cli;

/** Where the embedded driver keeps what it shares with the device. */
enum BufferPlace {
    /** Rings and data in guest memory, which the device maps. */
    guest,
    /** Rings in the device's memory; data elsewhere, copied through it once per direction. */
    bounce,
    /** Rings and data in the device's memory. */
    region;

    boolean inRegion() {
        return this != guest;
    }
}
