package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.virtio.RestrictedDma.*;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_ACCESS_PLATFORM;

import java.util.List;
import java.util.function.LongPredicate;
import java.util.function.Supplier;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** Faults of a device with memory of its own. */
final class RegionFaults {
    private static final long REGION_BYTES = 1 << 20;
    private static final long BUS = 0x80_0000_0000L;

    private RegionFaults() {}

    private static Fault fault(String name, String clause, Supplier<Bending> bending) {
        return new Fault(name, clause, Kind.RESTRICTED, bending);
    }

    static List<Fault> all() {
        return List.of(
                fault("SWIOTLB and DMB at once", "DMB-DEV-19", policy(Both::new)),
                fault("SWIOTLB offered, no capability", "SWIOTLB-DEV-01", Bend.capability(10, 3, type -> 0x77)),
                new Fault("a capability, not offered", "SWIOTLB-DEV-02", Kind.HINT, Bend.options(o -> o)),
                fault("SWIOTLB with revision 0", "SWIOTLB-DEV-04", Bend.config(8, id -> id & ~0xffL)),
                fault("buffer longer than its BAR", "SWIOTLB-DEV-05", Bend.capability(10, 12, length -> length + 4096)),
                fault("offsets in place of bus addresses", "SWIOTLB-DEV-06", policy(OffsetsOnly::new)),
                fault("does not follow the BAR", "SWIOTLB-DEV-07", policy(FirstAddress::new)),
                fault("SWIOTLB not with ACCESS_PLATFORM", "SWIOTLB-DEV-08", policy(NoPlatform::new)),
                fault(
                        "SWIOTLB: beyond the end is the start",
                        "SWIOTLB-DEV-10",
                        served(a -> a - BUS >= REGION_BYTES - 8)),
                fault("SWIOTLB: guest addresses served", "SWIOTLB-DEV-12", served(a -> a == 1L << 32)),
                fault("SWIOTLB: works with decoding off", "SWIOTLB-DEV-11", policy(FirstAddress::new)),
                fault("DMB: beyond the end is the start", "DMB-DEV-11", served(a -> a == REGION_BYTES)),
                fault("DMB: the end is not looked at", "DMB-DEV-11", served(a -> a == REGION_BYTES - 8)),
                fault("DMB: overflow not looked at", "DMB-DEV-12", served(a -> a == -8)),
                fault("DMB: guest addresses served", "DMB-DEV-13", served(a -> a == 1L << 32)),
                fault("DMB: far addresses served", "DMB-DEV-14", served(a -> a > 1L << 33)),
                fault("DMB: offset 0 served", "DMB-DEV-18", served(a -> a == 0)),
                fault("the region moves in operation", "DMB-DEV-15", () -> Bend.function(f -> new Moving(f, 8, 4096))),
                fault(
                        "the region shrinks in operation",
                        "DMB-DEV-16",
                        () -> Bend.function(f -> new Moving(f, 12, -4096))));
    }

    private static Supplier<Bending> policy(java.util.function.UnaryOperator<DmaPolicy> wrap) {
        return () -> new Bending() {
            @Override
            public DmaPolicy policy(DmaPolicy policy) {
                return wrap.apply(policy);
            }
        };
    }

    /** Addresses that lead nowhere are served from a place inside the region. */
    private static Supplier<Bending> served(LongPredicate addresses) {
        return Bend.memory(() -> new BentMemory() {
            private boolean swiotlb;

            @Override
            boolean concerns(long features) {
                swiotlb = (features & VIRTIO_F_SWIOTLB) != 0;
                return true;
            }

            @Override
            void map(DmaSpace space, long address, long length, DmaAccess access, SegmentList out)
                    throws DmaFaultException {
                try {
                    space.map(address, length, access, out);
                } catch (DmaFaultException e) {
                    if (!addresses.test(address)) {
                        throw e;
                    }
                    space.map((swiotlb ? BUS : 0) + REGION_BYTES / 2, length, access, out);
                }
            }
        });
    }

    private static class Wrapped implements DmaPolicy {
        final DmaPolicy policy;

        Wrapped(DmaPolicy policy) {
            this.policy = policy;
        }

        @Override
        public long offeredFeatures() {
            return policy.offeredFeatures();
        }

        @Override
        public boolean acceptFeatures(long features) {
            return policy.acceptFeatures(features);
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            return policy.spaces(features, window);
        }

        @Override
        public Region region() {
            return policy.region();
        }
    }

    private static final class Both extends Wrapped {
        Both(DmaPolicy policy) {
            super(policy);
        }

        @Override
        public boolean acceptFeatures(long features) {
            return (features & (VIRTIO_F_DMB | VIRTIO_F_SWIOTLB)) != 0;
        }
    }

    private static final class OffsetsOnly extends Wrapped {
        OffsetsOnly(DmaPolicy policy) {
            super(policy);
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            boolean swiotlb = (features & VIRTIO_F_SWIOTLB) != 0;
            return policy.spaces(swiotlb ? features & ~VIRTIO_F_SWIOTLB | VIRTIO_F_DMB : features, window);
        }
    }

    /** Takes the bus address as it was when the first driver came. */
    private static final class FirstAddress extends Wrapped {
        private final BarWindow first = new BarWindow(REGION_BYTES);

        FirstAddress(DmaPolicy policy) {
            super(policy);
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            if (!first.decodes()) {
                first.moveTo(window.base());
            }
            return policy.spaces(features, first);
        }
    }

    private static final class NoPlatform extends Wrapped {
        NoPlatform(DmaPolicy policy) {
            super(policy);
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            boolean broken = (features & VIRTIO_F_SWIOTLB) != 0 && (features & VIRTIO_F_ACCESS_PLATFORM) != 0;
            return policy.spaces(broken ? features & ~VIRTIO_F_SWIOTLB | VIRTIO_F_DMB : features, window);
        }
    }

    /** A field of the shared memory capability that differs once the device is live. */
    private static final class Moving extends BentFunction {
        private final int at = capability(8);
        private final int field;
        private final long by;

        Moving(PciFunction f, int field, long by) {
            super(f);
            this.field = field;
            this.by = by;
        }

        @Override
        long read(int region, long offset, int length, long real) {
            boolean shown = region == CONFIG_REGION && offset == at + field;
            return shown && (ask(REGISTERS, 0x14, 1) & 4) != 0 ? real + by : real;
        }
    }
}
