package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.ringFault;
import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

/** Faults about the memory of buffers, in both layouts of rings. */
final class BufferFaults {
    private static final int WRITE = 2;

    private BufferFaults() {}

    static List<Fault> all() {
        return List.of(
                ringFault("a header must lie in one descriptor", "SPLIT-FRAMING-DEV-01", () -> new WholeHeader(0)),
                ringFault(
                        "packed: a header must lie in one descriptor",
                        "PACKED-CHAIN-DEV-01",
                        () -> new WholeHeader(VIRTIO_F_RING_PACKED)),
                ringFault("writes to what it should read", "SPLIT-DESC-DEV-01", () -> new WritesReadable(0)),
                ringFault(
                        "packed: writes to what it should read",
                        "PACKED-DESC-DEV-01",
                        () -> new WritesReadable(VIRTIO_F_RING_PACKED)),
                ringFault("reads what it should write", "SPLIT-DESC-DEV-02", () -> new ReadsWritable(0)),
                ringFault(
                        "packed: reads what it should write",
                        "PACKED-DESC-DEV-02",
                        () -> new ReadsWritable(VIRTIO_F_RING_PACKED)));
    }

    private static final class WholeHeader extends OneLayout {
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
    private static final class WritesReadable extends OneLayout {
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

    private static final class ReadsWritable extends OneLayout {
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
}
