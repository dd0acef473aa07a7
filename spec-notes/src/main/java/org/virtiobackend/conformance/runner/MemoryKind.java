package org.virtiobackend.conformance.runner;

import org.virtiobackend.virtio.RestrictedDma;

/** Where rings and buffers are, and how the device gets there. */
public enum MemoryKind {
    /** Memory of the driver, shared with the device. */
    DIRECT("direct", 0),
    /** Memory of the driver, not shared: the device asks for every access, so that each is seen. */
    MESSAGES("messages", 0),
    /** The device's own memory, by its offsets (DMB proposal). */
    DMB("dmb", RestrictedDma.VIRTIO_F_DMB),
    /** The device's own memory, by its bus addresses (SWIOTLB proposal). */
    SWIOTLB("swiotlb", RestrictedDma.VIRTIO_F_SWIOTLB);

    /** The features that decide about memory. */
    static final long FEATURES = RestrictedDma.VIRTIO_F_DMB | RestrictedDma.VIRTIO_F_SWIOTLB;

    private final String text;
    private final long feature;

    MemoryKind(String text, long feature) {
        this.text = text;
        this.feature = feature;
    }

    /** For reports. */
    public String text() {
        return text;
    }

    /** Feature that it takes; 0 for none. */
    public long feature() {
        return feature;
    }

    /** Whether it is the device's own memory. */
    public boolean isRegion() {
        return feature != 0;
    }
}
