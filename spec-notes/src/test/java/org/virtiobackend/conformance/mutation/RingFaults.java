package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import java.util.function.Supplier;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

/** Faults of split and packed rings. */
final class RingFaults {
    private static final int NEXT = 1;
    private static final int WRITE = 2;
    private static final int INDIRECT = 4;
    private static final int FLAGS_AT = 12;
    private static final int NEXT_AT = 14;

    private RingFaults() {}

    private static Fault fault(String name, String clause, Supplier<BentMemory> memory) {
        return new Fault(name, clause, null, Bend.memory(memory));
    }

    static List<Fault> all() {
        return List.of(
                fault("used length one too much", "TEXT-USED-DEV-01", () -> new UsedLength(1)),
                fault("used length one too little", "TEXT-USED-DEV-01", () -> new UsedLength(-1)),
                fault("packed used length one too little", "TEXT-USED-DEV-01", () -> new PackedLength(-1)),
                fault("used length beyond the buffer", "SPLIT-USED-DEV-02", () -> new UsedLength(4096)),
                fault("packed used length beyond the buffer", "TEXT-PACKED-DEV-02", () -> new PackedLength(4096)),
                fault("used entry of another chain", "TEXT-USED-DEV-02", UsedId::new),
                fault("packed used descriptor of another buffer", "TEXT-USED-DEV-02", PackedId::new),
                fault("used index moves by two", "TEXT-USED-DEV-02", UsedTwice::new),
                fault("descriptors as they were the first time", "TEXT-USED-DEV-02", StaleTable::new),
                fault("used index wraps at 32768", "TEXT-SPLIT-DEV-01", ShortIndex::new),
                fault("a header must lie in one descriptor", "SPLIT-FRAMING-DEV-01", () -> new WholeHeader(0)),
                fault(
                        "packed: a header must lie in one descriptor",
                        "PACKED-CHAIN-DEV-01",
                        () -> new WholeHeader(VIRTIO_F_RING_PACKED)),
                fault("writes to what it should read", "SPLIT-DESC-DEV-01", () -> new WritesReadable(0)),
                fault(
                        "packed: writes to what it should read",
                        "PACKED-DESC-DEV-01",
                        () -> new WritesReadable(VIRTIO_F_RING_PACKED)),
                fault("reads what it should write", "SPLIT-DESC-DEV-02", () -> new ReadsWritable(0)),
                fault(
                        "packed: reads what it should write",
                        "PACKED-DESC-DEV-02",
                        () -> new ReadsWritable(VIRTIO_F_RING_PACKED)),
                fault("marks descriptors that it has taken", "SPLIT-DESC-DEV-04", WritesTable::new),
                fault(
                        "WRITE on a table means a plain buffer",
                        "SPLIT-INDIRECT-DEV-01",
                        () -> new TableFlags((flags, first) -> flags == (INDIRECT | WRITE) ? WRITE : flags)),
                fault(
                        "a table only in front",
                        "SPLIT-INDIRECT-DEV-02",
                        () -> new TableFlags((flags, first) -> first ? flags : flags & ~INDIRECT)),
                fault("NO_INTERRUPT ignored", "SPLIT-USEDNOTIFY-DEV-02", () -> new DriverFlags(false, 0)),
                fault("NO_INTERRUPT assumed", "SPLIT-USEDNOTIFY-DEV-03", () -> new DriverFlags(false, 1)),
                fault("used_event looked at without EVENT_IDX", "SPLIT-USEDNOTIFY-DEV-01", EventWithoutFeature::new),
                fault("NO_INTERRUPT obeyed with EVENT_IDX", "SPLIT-USEDNOTIFY-DEV-04", FlagsWithEvent::new),
                fault("used_event one too late", "SPLIT-USEDNOTIFY-DEV-05", () -> new UsedEvent(1)),
                fault("used_event one too early", "SPLIT-USEDNOTIFY-DEV-06", () -> new UsedEvent(-1)),
                fault("used index before the entry", "SPLIT-USED-DEV-01", IndexFirst::new),
                fault("used flags 2", "SPLIT-AVAILNOTIFY-DEV-01", () -> new UsedFlags(false, 2)),
                fault("used flags with EVENT_IDX", "SPLIT-AVAILNOTIFY-DEV-03", () -> new UsedFlags(true, 1)),
                fault("NO_NOTIFY and yet asleep", "TEXT-NOTIFY-DEV-01", () -> new UsedFlags(false, 1)),
                fault("head beyond the queue taken modulo", "TEXT-BROKEN-DEV-01", HeadModulo::new),
                fault("next beyond the queue taken modulo", "TEXT-BROKEN-DEV-02", NextModulo::new),
                fault("a circle is cut open", "TEXT-BROKEN-DEV-03", CutCircle::new),
                fault("an index too far ahead is waited out", "TEXT-BROKEN-DEV-04", PatientIndex::new),
                fault("readable behind writable taken as writable", "TEXT-BROKEN-DEV-05", AllWritable::new),
                fault("buffers end where memory ends", "TEXT-BROKEN-DEV-06", ShortenedBuffers::new),
                fault(
                        "a table without the feature is a buffer",
                        "TEXT-BROKEN-DEV-07",
                        () -> new TableFlags((flags, first) -> flags & ~INDIRECT)),
                fault(
                        "INDIRECT wins over NEXT",
                        "TEXT-BROKEN-DEV-10",
                        () -> new TableFlags((flags, first) -> (flags & INDIRECT) != 0 ? flags & ~NEXT : flags)),
                fault("length of a table rounded up", "TEXT-BROKEN-DEV-08", RoundedTable::new),
                fault("wrap counter wrong in the second round", "TEXT-PACKED-DEV-01", WrongWrap::new),
                fault("packed: disable ignored", "TEXT-PACKED-DEV-03", () -> new DriverFlags(true, 0)),
                fault("packed: disabled all the time", "TEXT-PACKED-DEV-03", () -> new DriverFlags(true, 1)),
                fault("packed: event one too late", "TEXT-PACKED-DEV-04", () -> new PackedEvent(3, 0)),
                fault("packed: event one too early", "TEXT-PACKED-DEV-04", () -> new PackedEvent(-3, 0)),
                fault("packed: event of the other round", "TEXT-PACKED-DEV-04", () -> new PackedEvent(0, 0x8000)),
                fault("reserved flags in the device event", "TEXT-PACKED-DEV-05", ReservedEvent::new),
                fault("looks beyond an unavailable descriptor", "PACKED-DESC-DEV-03", Impatient::new),
                fault("writes used descriptors again", "PACKED-DESC-DEV-04", Rewrites::new));
    }

    /** Only with split rings. */
    private static class Split extends BentMemory {
        @Override
        boolean concerns(long features) {
            return (features & VIRTIO_F_RING_PACKED) == 0;
        }
    }

    /** Only with packed rings. */
    private static class Packed extends BentMemory {
        @Override
        boolean concerns(long features) {
            return (features & VIRTIO_F_RING_PACKED) != 0;
        }
    }

    private static final class UsedLength extends Split {
        private final int more;

        UsedLength(int more) {
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

    private static final class PackedLength extends Packed {
        private final int more;

        PackedLength(int more) {
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

    private static final class UsedId extends Split {
        private int count;

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset >= 4 && bytes.length >= 8 && ++count % 4 == 0) {
                put16(bytes, 0, u16(bytes, 0) + 1);
            }
            return bytes;
        }
    }

    private static final class PackedId extends Packed {
        private int count;

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE && bytes.length >= 6 && ++count % 4 == 0) {
                put16(bytes, 4, (u16(bytes, 4) + 1) % size);
            }
            return bytes;
        }
    }

    private static final class UsedTwice extends Split {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset == 2 && bytes.length == 2) {
                put16(bytes, 0, u16(bytes, 0) + 1);
            }
            return bytes;
        }
    }

    private static final class StaleTable extends Split {
        private byte[] first;

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

    private static final class ShortIndex extends Split {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset == 2 && bytes.length == 2) {
                put16(bytes, 0, u16(bytes, 0) & 0x7fff);
            }
            return bytes;
        }
    }

    /** Faults about buffers, with one layout of the two. */
    private static class Buffers extends BentMemory {
        private final long layout;

        Buffers(long layout) {
            this.layout = layout;
        }

        @Override
        boolean concerns(long features) {
            return (features & VIRTIO_F_RING_PACKED) == layout;
        }
    }

    private static final class WholeHeader extends Buffers {
        WholeHeader(long layout) {
            super(layout);
        }

        @Override
        void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                throws DmaFaultException {
            if (access == DmaAccess.READ && length < 16) {
                throw new DmaFaultException("a header in pieces", address, length);
            }
            space.map(address, length, access, out);
        }
    }

    /** Byte 4 of a request's header is reserved. */
    private static final class WritesReadable extends Buffers {
        WritesReadable(long layout) {
            super(layout);
        }

        @Override
        void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                throws DmaFaultException {
            int before = out.count();
            space.map(address, length, access, out);
            if (access == DmaAccess.READ && length == 16 && out.count() > before) {
                out.buffer(before).put(out.offset(before) + 4, (byte) 0x77);
            }
        }
    }

    private static final class ReadsWritable extends Buffers {
        ReadsWritable(long layout) {
            super(layout);
        }

        @Override
        void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                throws DmaFaultException {
            if (access == DmaAccess.WRITE) {
                RingAccess seen = new RingAccess();
                space.attach(address, (int) length, 1, DmaAccess.READ, seen);
                seen.fetch(0, (int) length);
            }
            space.map(address, length, access, out);
        }
    }

    private static final class WritesTable extends Split {
        private RingAccess table;

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

    /** What the device makes of the flags of a descriptor in the table; {@code first}: no other leads to it. */
    private interface Flags {
        int seen(int flags, boolean first);
    }

    private static final class TableFlags extends Split {
        private final Flags change;

        TableFlags(Flags change) {
            this.change = change;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE || offset != 0) {
                return;
            }
            byte[] before = bytes.clone();
            for (int slot = 0; slot < bytes.length / 16; slot++) {
                boolean first = true;
                for (int other = 0; other < bytes.length / 16; other++) {
                    boolean leads = (u16(before, other * 16 + FLAGS_AT) & NEXT) != 0;
                    first &= !leads || u16(before, other * 16 + NEXT_AT) != slot;
                }
                put16(bytes, slot * 16 + FLAGS_AT, change.seen(u16(before, slot * 16 + FLAGS_AT), first));
            }
        }
    }

    /** Flags of the driver as the device sees them, without EVENT_IDX in a split ring. */
    private static final class DriverFlags extends BentMemory {
        private final boolean packed;
        private final int seen;

        DriverFlags(boolean packed, int seen) {
            this.packed = packed;
            this.seen = seen;
        }

        @Override
        boolean concerns(long features) {
            return ((features & VIRTIO_F_RING_PACKED) != 0) == packed;
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            int field = packed ? 2 : 0;
            if (area == Area.DRIVER && holds(offset, bytes, field)) {
                put16(bytes, field - offset, seen);
            }
        }
    }

    private static final class EventWithoutFeature extends Split {
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

    private static final class FlagsWithEvent extends Split {
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

    private static final class UsedEvent extends Split {
        private final int later;

        UsedEvent(int later) {
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

    private static final class IndexFirst extends Split {
        private byte[] entry;
        private int entryAt;

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

    private static final class UsedFlags extends Split {
        private final boolean event;
        private final int shown;

        UsedFlags(boolean event, int shown) {
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

    private static final class HeadModulo extends Split {
        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && offset == 4) {
                for (int at = 0; at + 2 <= Math.min(bytes.length, 2 * size); at += 2) {
                    put16(bytes, at, u16(bytes, at) % size);
                }
            }
        }
    }

    private static final class NextModulo extends Split {
        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE) {
                for (int at = NEXT_AT; at < bytes.length; at += 16) {
                    put16(bytes, at, u16(bytes, at) % size);
                }
            }
        }
    }

    private static final class CutCircle extends Split {
        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE) {
                return;
            }
            for (int slot = 0; slot < bytes.length / 16; slot++) {
                int at = slot * 16;
                boolean back = u16(bytes, at + NEXT_AT) < slot && slot < size - 1;
                if (back && (u16(bytes, at + FLAGS_AT) & NEXT) != 0) {
                    put16(bytes, at + FLAGS_AT, WRITE);
                }
            }
        }
    }

    private static final class PatientIndex extends Split {
        private int last;

        @Override
        boolean concerns(long features) {
            last = 0;
            return super.concerns(features);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && holds(offset, bytes, 2)) {
                int index = u16(bytes, 2 - offset);
                if ((index - last & 0xffff) > size) {
                    put16(bytes, 2 - offset, last);
                } else {
                    last = index;
                }
            }
        }
    }

    private static final class AllWritable extends Split {
        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE) {
                return;
            }
            for (int slot = 0; slot < bytes.length / 16; slot++) {
                int flags = u16(bytes, slot * 16 + FLAGS_AT);
                int next = u16(bytes, slot * 16 + NEXT_AT);
                if ((flags & (NEXT | WRITE)) == (NEXT | WRITE) && next < bytes.length / 16) {
                    put16(bytes, next * 16 + FLAGS_AT, u16(bytes, next * 16 + FLAGS_AT) | WRITE);
                }
            }
        }
    }

    private static final class ShortenedBuffers extends BentMemory {
        @Override
        void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                throws DmaFaultException {
            try {
                space.map(address, length, access, out);
            } catch (DmaFaultException e) {
                space.map(address, length / 2, access, out);
            }
        }
    }

    private static final class RoundedTable extends Split {
        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area != Area.TABLE) {
                return;
            }
            for (int at = 0; at < bytes.length; at += 16) {
                if ((u16(bytes, at + FLAGS_AT) & INDIRECT) != 0) {
                    put16(bytes, at + 8, u16(bytes, at + 8) + 15 & ~15);
                }
            }
        }
    }

    private static final class WrongWrap extends Packed {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE && bytes.length == 2 && (bytes[1] & 0x80) == 0) {
                put16(bytes, 0, u16(bytes, 0) | 0x8080);
            }
            return bytes;
        }
    }

    private static final class PackedEvent extends Packed {
        private final int later;
        private final int toggle;

        PackedEvent(int later, int toggle) {
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

    private static final class ReservedEvent extends Packed {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && holds(offset, bytes, 2)) {
                put16(bytes, 2 - offset, u16(bytes, 2 - offset) | 0x40);
            }
            return bytes;
        }
    }

    /** Takes the first descriptor for available when one behind it is. */
    private static final class Impatient extends Packed {
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

    private static final class Rewrites extends Packed {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) throws DmaFaultException {
            if (area == Area.TABLE && offset >= 32) {
                write(real, 8, new byte[] {1, 2});
            }
            return bytes;
        }
    }
}
