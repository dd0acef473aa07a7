package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

/** Memory that is bent under rings of one layout only. */
abstract class OneLayout extends BentMemory {
    private final long layout;

    /** @param layout 0 for split rings, VIRTIO_F_RING_PACKED for packed ones */
    OneLayout(long layout) {
        this.layout = layout;
    }

    @Override
    boolean concerns(long features) {
        return (features & VIRTIO_F_RING_PACKED) == layout;
    }
}
