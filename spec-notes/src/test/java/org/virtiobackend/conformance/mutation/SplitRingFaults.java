package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.ringFault;
import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.RingAccess;

/** Faults of split rings. */
final class SplitRingFaults {
    private static final int FLAGS_AT = 12;
    private static final int NEXT_AT = 14;

    private SplitRingFaults() {}

    static List<Fault> all() {
        return List.of(
                ringFault("used length one too much", "TEXT-USED-DEV-01", () -> new UsedLength(1)),
                ringFault("used length one too little", "TEXT-USED-DEV-01", () -> new UsedLength(-1)),
                ringFault("used length beyond the buffer", "SPLIT-USED-DEV-02", () -> new UsedLength(4096)),
                ringFault("used entry of another chain", "TEXT-USED-DEV-02", UsedId::new),
                ringFault("used index moves by two", "TEXT-USED-DEV-02", UsedTwice::new),
                ringFault("descriptors as they were the first time", "TEXT-USED-DEV-02", StaleTable::new),
                ringFault("used index wraps at 32768", "TEXT-SPLIT-DEV-01", ShortIndex::new),
                ringFault("marks descriptors that it has taken", "SPLIT-DESC-DEV-04", WritesTable::new),
                ringFault("NO_INTERRUPT ignored", "SPLIT-USEDNOTIFY-DEV-02", () -> new DriverFlags(false, 0)),
                ringFault("NO_INTERRUPT assumed", "SPLIT-USEDNOTIFY-DEV-03", () -> new DriverFlags(false, 1)),
                ringFault(
                        "used_event looked at without EVENT_IDX", "SPLIT-USEDNOTIFY-DEV-01", EventWithoutFeature::new),
                ringFault("NO_INTERRUPT obeyed with EVENT_IDX", "SPLIT-USEDNOTIFY-DEV-04", FlagsWithEvent::new),
                ringFault("used_event one too late", "SPLIT-USEDNOTIFY-DEV-05", () -> new UsedEvent(1)),
                ringFault("used_event one too early", "SPLIT-USEDNOTIFY-DEV-06", () -> new UsedEvent(-1)),
                ringFault("used index before the entry", "SPLIT-USED-DEV-01", IndexFirst::new),
                ringFault("used flags 2", "SPLIT-AVAILNOTIFY-DEV-01", () -> new UsedFlags(false, 2)),
                ringFault("used flags with EVENT_IDX", "SPLIT-AVAILNOTIFY-DEV-03", () -> new UsedFlags(true, 1)),
                ringFault("NO_NOTIFY and yet asleep", "TEXT-NOTIFY-DEV-01", () -> new UsedFlags(false, 1)));
    }

    private static final class UsedLength extends OneLayout {
        private final int more;

        UsedLength(int more) {
            super(0);
            this.more = more;
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            boolean entries = area == Area.DEVICE && offset >= 4 && offset < 4 + 8 * size;
            for (int at = 4; entries && at + 4 <= bytes.length; at += 8) {
                put16(bytes, at, u16(bytes, at) + more);
            }
            return bytes;
        }
    }

    private static final class UsedId extends OneLayout {
        private int count;

        UsedId() {
            super(0);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset >= 4 && bytes.length >= 8 && ++count % 4 == 0) {
                put16(bytes, 0, u16(bytes, 0) + 1);
            }
            return bytes;
        }
    }

    private static final class UsedTwice extends OneLayout {
        UsedTwice() {
            super(0);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset == 2 && bytes.length == 2) {
                put16(bytes, 0, u16(bytes, 0) + 1);
            }
            return bytes;
        }
    }

    private static final class StaleTable extends OneLayout {
        private byte[] first;

        StaleTable() {
            super(0);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE || offset != 0 || bytes[8] == 0 && bytes[FLAGS_AT] == 0) {
                return;
            }
            if (first == null || first.length != bytes.length) {
                first = bytes.clone();
            }
            System.arraycopy(first, 0, bytes, 0, 16);
        }
    }

    private static final class ShortIndex extends OneLayout {
        ShortIndex() {
            super(0);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset == 2 && bytes.length == 2) {
                put16(bytes, 0, u16(bytes, 0) & 0x7fff);
            }
            return bytes;
        }
    }

    private static final class WritesTable extends OneLayout {
        private RingAccess table;

        WritesTable() {
            super(0);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE) {
                table = real;
            }
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
            if (area == Area.DEVICE && offset == 2 && table != null) {
                write(table, NEXT_AT, new byte[] {(byte) 0xee, 0});
            }
            return bytes;
        }
    }

    private static final class EventWithoutFeature extends OneLayout {
        EventWithoutFeature() {
            super(0);
        }

        @Override
        boolean concerns(long features) {
            return super.concerns(features) && (features & VIRTIO_F_EVENT_IDX) == 0;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && offset == 0 && bytes.length == 2 && real.getU16(4 + 2 * size) > 100) {
                put16(bytes, 0, 1);
            }
        }
    }

    private static final class FlagsWithEvent extends OneLayout {
        FlagsWithEvent() {
            super(0);
        }

        @Override
        boolean concerns(long features) {
            return super.concerns(features) && (features & VIRTIO_F_EVENT_IDX) != 0;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && holds(offset, bytes, 4 + 2 * size) && real.getU16(0) == 1) {
                put16(bytes, 4 + 2 * size - offset, u16(bytes, 4 + 2 * size - offset) - 5);
            }
        }
    }

    private static final class UsedEvent extends OneLayout {
        private final int later;

        UsedEvent(int later) {
            super(0);
            this.later = later;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && holds(offset, bytes, 4 + 2 * size)) {
                int at = 4 + 2 * size - offset;
                put16(bytes, at, u16(bytes, at) + later);
            }
        }
    }

    private static final class IndexFirst extends OneLayout {
        private byte[] entry;
        private int entryAt;

        IndexFirst() {
            super(0);
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
            if (area == Area.DEVICE && offset >= 4 && bytes.length == 8) {
                entry = bytes;
                entryAt = offset;
                return null;
            }
            if (area == Area.DEVICE && offset == 2 && entry != null) {
                write(real, offset, bytes);
                write(real, entryAt, entry);
                entry = null;
                return null;
            }
            return bytes;
        }
    }

    private static final class UsedFlags extends OneLayout {
        private final boolean event;
        private final int shown;

        UsedFlags(boolean event, int shown) {
            super(0);
            this.event = event;
            this.shown = shown;
        }

        @Override
        boolean concerns(long features) {
            return super.concerns(features) && ((features & VIRTIO_F_EVENT_IDX) != 0) == event;
        }

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
            if (area == Area.DEVICE && offset == 0) {
                put16(bytes, 0, shown);
            } else if (area == Area.DEVICE && offset == 2 && event) {
                write(real, 0, new byte[] {(byte) shown, 0});
            }
            return bytes;
        }
    }
}
