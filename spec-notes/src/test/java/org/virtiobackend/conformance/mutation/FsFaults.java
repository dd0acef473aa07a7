package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.QUEUE_ENABLE;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.QUEUE_SELECT;

import java.util.List;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.FsUnderTest;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;
import org.virtiobackend.virtio.pci.VirtioPciCapability;
import org.virtiobackend.virtio.pci.VirtioPciFunction;

/** Faults of the file system device. */
final class FsFaults {
    private static final int NUM_REQUEST_QUEUES = 36;
    private static final int NOTIFY_BUF_SIZE = 40;
    private static final int CAPABILITY_ID = 5;
    private static final int HIGH_PRIORITY_QUEUE = 0;

    private FsFaults() {}

    static List<Fault> all() {
        return List.of(
                fault("no request queues", "FS-CONFIG-DEV-01", field(NUM_REQUEST_QUEUES, 0)),
                fault("notifications of 8 bytes", "FS-CONFIG-DEV-02", field(NOTIFY_BUF_SIZE, 8)),
                fault("nobody looks at the high priority queue", "FS-HIPRIO-DEV-01", () -> new Bent(DeafQueue::new)),
                fault("WRITE changes what it is given", "FS-DAX-DEV-03", Scribbling::new),
                new Fault(
                        "shared memory that is no window",
                        "FS-DAX-DEV-02",
                        Kind.RESTRICTED,
                        () -> new Bent(WrongRegion::new)));
    }

    private static Supplier<Bending> field(int at, long value) {
        return () -> new Bent(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                return isRegister(region, offset, DEVICE + at) ? value : real;
            }
        });
    }

    /** Something between our file system's function and the bus. */
    private static final class Bent extends FsUnderTest {
        private final UnaryOperator<PciFunction> wrap;

        Bent(UnaryOperator<PciFunction> wrap) {
            super(Notifications.ALL);
            this.wrap = wrap;
        }

        @Override
        public PciFunction function(VirtioPciFunction function) {
            return wrap.apply(function);
        }
    }

    /** Queue 0 is never enabled, and says that it is. */
    private static final class DeafQueue extends BentFunction {
        DeafQueue(PciFunction function) {
            super(function);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return isRegister(region, offset, QUEUE_ENABLE) ? 1 : real;
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean enable = isRegister(region, offset, QUEUE_ENABLE);
            if (!enable || ask(REGISTERS, QUEUE_SELECT, 2) != HIGH_PRIORITY_QUEUE) {
                pass(region, offset, length, value);
            }
        }
    }

    private static final class WrongRegion extends BentFunction {
        private final int at = capability(VirtioPciCapability.VIRTIO_PCI_CAP_SHARED_MEMORY_CFG);

        WrongRegion(PciFunction function) {
            super(function);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return region == CONFIG_REGION && offset == at + CAPABILITY_ID ? 5 : real;
        }
    }

    /** A request of 592 bytes is WRITE with 512 bytes of data behind its two headers. */
    private static final class Scribbling extends FsUnderTest {
        private static final int WRITE_BYTES = 592;
        private static final int HEADERS = 80;

        private final BentMemory memory = new BentMemory() {
            @Override
            void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                    throws DmaFaultException {
                int before = out.count();
                space.map(address, length, access, out);
                if (access == DmaAccess.READ && length == WRITE_BYTES) {
                    out.buffer(before).put(out.offset(before) + HEADERS, (byte) 0);
                }
            }
        };

        Scribbling() {
            super(Notifications.NONE);
        }

        @Override
        public DmaPolicy policy(DmaPolicy policy) {
            return memory.bend(policy);
        }
    }
}
