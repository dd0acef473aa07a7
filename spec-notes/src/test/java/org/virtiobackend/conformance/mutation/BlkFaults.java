package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.fault;

import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.Transfer;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.virtio.device.io.IoScratch;

/** Faults of the block device. */
final class BlkFaults {
    private static final int TYPE = 0;
    private static final int RANGE_FLAGS = 28;
    private static final int HEADER_BYTES = 16;

    private BlkFaults() {}

    static List<Fault> all() {
        return List.of(
                fault("read-only, yet writes succeed", "BLK-IO-DEV-03", Bend.offer(0, bits -> bits | 1 << 5)),
                fault("read-only, yet writes change it", "BLK-IO-DEV-04", Bend.offer(0, bits -> bits | 1 << 5)),
                fault("unknown flags ignored", "BLK-IO-DEV-05", header(RANGE_FLAGS, flags -> flags & 1)),
                fault("discard with unmap accepted", "BLK-IO-DEV-06", header(RANGE_FLAGS, flags -> 0)),
                fault("write zeroes does nothing", "BLK-IO-DEV-09", backend(LazyZeroes::new)),
                fault("zone requests end in OK", "BLK-IO-DEV-18", header(TYPE, type -> type >= 15 ? 4 : type)));
    }

    private static Supplier<Bending> backend(UnaryOperator<BlockBackend> wrap) {
        return () -> new Bending() {
            @Override
            public BlockBackend backend(BlockBackend backend) {
                return wrap.apply(backend);
            }
        };
    }

    /** A number of 32 bits in what the device reads of a request is taken for another one. */
    private static Supplier<Bending> header(int at, java.util.function.IntUnaryOperator value) {
        return Bend.memory(() -> new BentMemory() {
            @Override
            void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                    throws DmaFaultException {
                int before = out.count();
                space.map(address, length, access, out);
                int skipped = before == 0 ? 0 : HEADER_BYTES; // what follows may stand in a descriptor of its own
                boolean whole = access == DmaAccess.READ && (length == 16 || length == 32) && out.count() > before;
                if (whole && at >= skipped && at - skipped + 4 <= length) {
                    var buffer = out.buffer(before);
                    int offset = out.offset(before) + at - skipped;
                    buffer.order(java.nio.ByteOrder.LITTLE_ENDIAN);
                    buffer.putInt(offset, value.applyAsInt(buffer.getInt(offset)));
                }
            }
        });
    }

    private static final class LazyZeroes implements BlockBackend {
        private final BlockBackend backend;

        LazyZeroes(BlockBackend backend) {
            this.backend = backend;
        }

        @Override
        public String description() {
            return backend.description();
        }

        @Override
        public long sizeBytes() {
            return backend.sizeBytes();
        }

        @Override
        public boolean refreshSize() {
            return false;
        }

        @Override
        public boolean isReadOnly() {
            return backend.isReadOnly();
        }

        @Override
        public int physicalBlockBytes() {
            return backend.physicalBlockBytes();
        }

        @Override
        public boolean isVolatile() {
            return backend.isVolatile();
        }

        @Override
        public int read(Transfer transfer, IoScratch scratch, boolean mayWait) {
            return backend.read(transfer, scratch, mayWait);
        }

        @Override
        public int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable) {
            return backend.write(transfer, scratch, mayWait, durable);
        }

        @Override
        public int flush() {
            return backend.flush();
        }

        @Override
        public int discard(long offset, long length) {
            return backend.discard(offset, length);
        }

        @Override
        public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
            return 0;
        }

        @Override
        public void close() {
            backend.close();
        }
    }
}
