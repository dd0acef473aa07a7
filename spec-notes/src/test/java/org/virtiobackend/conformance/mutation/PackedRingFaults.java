package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.ringFault;
import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;

/** Faults of packed rings. */
final class PackedRingFaults {
    private static final int NEXT = 1;

    private PackedRingFaults() {}

    static List<Fault> all() {
        return List.of(
                ringFault("packed used length one too little", "TEXT-USED-DEV-01", () -> new PackedLength(-1)),
                ringFault("packed used length beyond the buffer", "TEXT-PACKED-DEV-02", () -> new PackedLength(4096)),
                ringFault("packed used descriptor of another buffer", "TEXT-USED-DEV-02", PackedId::new),
                ringFault("wrap counter wrong in the second round", "TEXT-PACKED-DEV-01", WrongWrap::new),
                ringFault("packed: disable ignored", "TEXT-PACKED-DEV-03", () -> new DriverFlags(true, 0)),
                ringFault("packed: disabled all the time", "TEXT-PACKED-DEV-03", () -> new DriverFlags(true, 1)),
                ringFault("packed: event one too late", "TEXT-PACKED-DEV-04", () -> new PackedEvent(3, 0)),
                ringFault("packed: event one too early", "TEXT-PACKED-DEV-04", () -> new PackedEvent(-3, 0)),
                ringFault("packed: event of the other round", "TEXT-PACKED-DEV-04", () -> new PackedEvent(0, 0x8000)),
                ringFault("reserved flags in the device event", "TEXT-PACKED-DEV-05", ReservedEvent::new),
                ringFault("looks beyond an unavailable descriptor", "PACKED-DESC-DEV-03", Impatient::new),
                ringFault("writes used descriptors again", "PACKED-DESC-DEV-04", Rewrites::new));
    }

    private static final class PackedLength extends OneLayout {
        private final int more;

        PackedLength(int more) {
            super(VIRTIO_F_RING_PACKED);
            this.more = more;
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE && bytes.length >= 6) {
                put16(bytes, 0, u16(bytes, 0) + more);
            }
            return bytes;
        }
    }

    private static final class PackedId extends OneLayout {
        private int count;

        PackedId() {
            super(VIRTIO_F_RING_PACKED);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE && bytes.length >= 6 && ++count % 4 == 0) {
                put16(bytes, 4, (u16(bytes, 4) + 1) % size);
            }
            return bytes;
        }
    }

    private static final class WrongWrap extends OneLayout {
        WrongWrap() {
            super(VIRTIO_F_RING_PACKED);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE && bytes.length == 2 && (bytes[1] & 0x80) == 0) {
                put16(bytes, 0, u16(bytes, 0) | 0x8080);
            }
            return bytes;
        }
    }

    private static final class PackedEvent extends OneLayout {
        private final int later;
        private final int toggle;

        PackedEvent(int later, int toggle) {
            super(VIRTIO_F_RING_PACKED);
            this.later = later;
            this.toggle = toggle;
        }

        @Override
        boolean concerns(long features) {
            return super.concerns(features) && (features & VIRTIO_F_EVENT_IDX) != 0;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && holds(offset, bytes, 0)) {
                int event = u16(bytes, 0);
                put16(bytes, 0, (event & 0x7fff) + later & 0x7fff | (event & 0x8000 ^ toggle));
            }
        }
    }

    private static final class ReservedEvent extends OneLayout {
        ReservedEvent() {
            super(VIRTIO_F_RING_PACKED);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && holds(offset, bytes, 2)) {
                put16(bytes, 2 - offset, u16(bytes, 2 - offset) | 0x40);
            }
            return bytes;
        }
    }

    /** Takes the first descriptor for available when one behind it is. */
    private static final class Impatient extends OneLayout {
        Impatient() {
            super(VIRTIO_F_RING_PACKED);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE) {
                return;
            }
            for (int at = 14 - offset % 16; at + 34 <= bytes.length; at += 16) {
                boolean empty = u16(bytes, at) == 0 && u16(bytes, at - 6) != 0;
                if (empty && (u16(bytes, at + 16) & 0x80) != 0) {
                    put16(bytes, at, 0x80 | NEXT);
                }
            }
        }
    }

    private static final class Rewrites extends OneLayout {
        Rewrites() {
            super(VIRTIO_F_RING_PACKED);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
            if (area == Area.TABLE && offset >= 32) {
                write(real, 8, new byte[] {1, 2});
            }
            return bytes;
        }
    }
}
