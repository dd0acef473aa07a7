package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

import org.virtiobackend.dma.RingAccess;

/** Flags of the driver as the device sees them, without EVENT_IDX in a split ring. */
final class DriverFlags extends OneLayout {
    private final boolean packed;
    private final int seen;

    DriverFlags(boolean packed, int seen) {
        super(packed ? VIRTIO_F_RING_PACKED : 0);
        this.packed = packed;
        this.seen = seen;
    }

    @Override
    void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
        int field = packed ? 2 : 0;
        if (area == Area.DRIVER && holds(offset, bytes, field)) {
            put16(bytes, field - offset, seen);
        }
    }
}
