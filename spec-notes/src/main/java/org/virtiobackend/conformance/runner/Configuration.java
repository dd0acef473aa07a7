package org.virtiobackend.conformance.runner;

import org.virtiobackend.virtio.VirtioFeature;

/**
 * What a check runs with.
 *
 * @param features to negotiate, those of the memory included
 */
public record Configuration(MemoryKind memory, long features, int deviceType) {
    public boolean has(long feature) {
        return (features & feature) != 0;
    }

    public boolean isPacked() {
        return has(VirtioFeature.VIRTIO_F_RING_PACKED);
    }

    /** Layout of the rings and where they are, such as {@code packed, direct}. */
    public String ring() {
        return (isPacked() ? "packed, " : "split, ") + memory.text();
    }

    /** Such as {@code packed, direct: EVENT_IDX VERSION_1}. */
    @Override
    public String toString() {
        return ring() + ": " + FeatureTable.names(features, deviceType);
    }
}
