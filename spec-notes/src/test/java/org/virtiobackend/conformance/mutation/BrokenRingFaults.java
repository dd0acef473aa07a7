package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.ringFault;
import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

/** Faults in the face of a driver that breaks the rules of its rings. */
final class BrokenRingFaults {
    private static final int NEXT = 1;
    private static final int WRITE = 2;
    private static final int INDIRECT = 4;
    private static final int FLAGS_AT = 12;
    private static final int NEXT_AT = 14;

    private BrokenRingFaults() {}

    static List<Fault> all() {
        return List.of(
                ringFault(
                        "WRITE on a table means a plain buffer",
                        "SPLIT-INDIRECT-DEV-01",
                        () -> new TableFlags((flags, first) -> flags == (INDIRECT | WRITE) ? WRITE : flags)),
                ringFault(
                        "a table only in front",
                        "SPLIT-INDIRECT-DEV-02",
                        () -> new TableFlags((flags, first) -> first ? flags : flags & ~INDIRECT)),
                ringFault("head beyond the queue taken modulo", "TEXT-BROKEN-DEV-01", HeadModulo::new),
                ringFault("next beyond the queue taken modulo", "TEXT-BROKEN-DEV-02", NextModulo::new),
                ringFault("a circle is cut open", "TEXT-BROKEN-DEV-03", CutCircle::new),
                ringFault("an index too far ahead is waited out", "TEXT-BROKEN-DEV-04", PatientIndex::new),
                ringFault("readable behind writable taken as writable", "TEXT-BROKEN-DEV-05", AllWritable::new),
                ringFault("buffers end where memory ends", "TEXT-BROKEN-DEV-06", ShortenedBuffers::new),
                ringFault(
                        "a table without the feature is a buffer",
                        "TEXT-BROKEN-DEV-07",
                        () -> new TableFlags((flags, first) -> flags & ~INDIRECT)),
                ringFault(
                        "INDIRECT wins over NEXT",
                        "TEXT-BROKEN-DEV-10",
                        () -> new TableFlags((flags, first) -> (flags & INDIRECT) != 0 ? flags & ~NEXT : flags)),
                ringFault("length of a table rounded up", "TEXT-BROKEN-DEV-08", RoundedTable::new));
    }

    /** What the device makes of the flags of a descriptor in the table; {@code first}: no other leads to it. */
    private interface Flags {
        int seen(int flags, boolean first);
    }

    private static final class TableFlags extends OneLayout {
        private final Flags change;

        TableFlags(Flags change) {
            super(0);
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

    private static final class HeadModulo extends OneLayout {
        HeadModulo() {
            super(0);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DRIVER && offset == 4) {
                for (int at = 0; at + 2 <= Math.min(bytes.length, 2 * size); at += 2) {
                    put16(bytes, at, u16(bytes, at) % size);
                }
            }
        }
    }

    private static final class NextModulo extends OneLayout {
        NextModulo() {
            super(0);
        }

        @Override
        void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.TABLE) {
                for (int at = NEXT_AT; at < bytes.length; at += 16) {
                    put16(bytes, at, u16(bytes, at) % size);
                }
            }
        }
    }

    private static final class CutCircle extends OneLayout {
        CutCircle() {
            super(0);
        }

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

    private static final class PatientIndex extends OneLayout {
        private int last;

        PatientIndex() {
            super(0);
        }

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

    private static final class AllWritable extends OneLayout {
        AllWritable() {
            super(0);
        }

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

    private static final class RoundedTable extends OneLayout {
        RoundedTable() {
            super(0);
        }

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
}
