package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Bend.bent;
import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.util.List;
import java.util.function.Supplier;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.pci.InterruptSink;
import org.virtiobackend.pci.PciFunction;

/** Faults of the ISR register, of vectors, and of notifications of changes. */
final class InterruptFaults {
    private static final int NEEDS_RESET = 64;

    private InterruptFaults() {}

    static List<Fault> all() {
        return List.of(
                fault("ISR without its configuration bit", "PCI-ISR-DEV-02", isr(bits -> bits & 1)),
                fault("ISR without its queue bit", "PCI-ISR-DEV-03", isr(bits -> bits & 2)),
                fault("Interrupt Status always 0", "PCI-ISR-DEV-04", Bend.config(6, s -> s & ~8L)),
                fault("Interrupt Status always 1", "PCI-ISR-DEV-04", Bend.config(6, s -> s | 8)),
                fault("ISR not cleared by reading", "PCI-ISR-DEV-05", bent(StickyIsr::new)),
                fault("every event on vector 0", "PCI-MSIX-DEV-04", bent(OneVector::new)),
                fault("events cannot be unmapped", "PCI-MSIX-DEV-05", unmapped()),
                fault("config_msix_vector reads 0", "PCI-MSIX-DEV-06", Bend.register(CONFIG_MSIX_VECTOR, v -> 0)),
                fault("mappings survive a reset", "PCI-MSIX-DEV-07", bent(VectorsKept::new)),
                fault(
                        "vector 1 refused",
                        "PCI-MSIX-DEV-08",
                        Bend.written(QUEUE_MSIX_VECTOR, v -> v == 1 ? NO_VECTOR : v)),
                fault("a vector beyond the table accepted", "PCI-MSIX-DEV-09", bent(AnyVector::new)),
                fault("NO_VECTOR means vector 0 to queues", "PCI-USEDNOTIFY-DEV-01", queueNoVector()),
                fault("NO_VECTOR means vector 0 to changes", "PCI-CFGNOTIFY-DEV-01", bent(ChangesOnVector0::new)),
                fault("NEEDS_RESET without a notification", "STATUS-DEV-03", bent(NoConfigInterrupt::new)),
                fault("capacity changes in silence", "BLK-IO-DEV-02", bent(NoConfigInterrupt::new)));
    }

    private static Supplier<Bending> isr(java.util.function.LongUnaryOperator bits) {
        return Bend.register(BentFunction.ISR, bits);
    }

    private static Supplier<Bending> unmapped() {
        return Bend.written(QUEUE_MSIX_VECTOR, v -> v == NO_VECTOR ? -1 : v);
    }

    private static Supplier<Bending> queueNoVector() {
        return bent(f -> new BentFunction(f) {
            @Override
            void write(int region, long offset, int length, long value) {
                boolean none = isRegister(region, offset, QUEUE_MSIX_VECTOR) && value == NO_VECTOR;
                pass(region, offset, length, none ? 0 : value);
            }
        });
    }

    private static final class StickyIsr extends BentFunction {
        private long seen;

        StickyIsr(PciFunction f) {
            super(f);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            if (!isRegister(region, offset, ISR)) {
                return real;
            }
            seen |= real;
            return seen;
        }
    }

    private static final class OneVector extends BentFunction {
        OneVector(PciFunction f) {
            super(f);
        }

        @Override
        boolean interrupt(InterruptSink sink, int vector) {
            return sink.msix(0);
        }
    }

    private static final class VectorsKept extends BentFunction {
        private long last = NO_VECTOR;

        VectorsKept(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, CONFIG_MSIX_VECTOR)) {
                last = value;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return isRegister(region, offset, CONFIG_MSIX_VECTOR) ? last : real;
        }
    }

    private static final class AnyVector extends BentFunction {
        private long last = -1;

        AnyVector(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, CONFIG_MSIX_VECTOR)) {
                last = value;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return last >= 0 && isRegister(region, offset, CONFIG_MSIX_VECTOR) ? last : real;
        }
    }

    private static final class ChangesOnVector0 extends BentFunction {
        ChangesOnVector0(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean none = isRegister(region, offset, CONFIG_MSIX_VECTOR) && value == NO_VECTOR;
            pass(region, offset, length, none ? 0 : value);
        }
    }

    /** Configuration changes have vector 0 in the runner, and queues have not. */
    private static final class NoConfigInterrupt extends BentFunction {
        NoConfigInterrupt(PciFunction f) {
            super(f);
        }

        @Override
        boolean interrupt(InterruptSink sink, int vector) {
            return vector == 0 || sink.msix(vector);
        }
    }
}
