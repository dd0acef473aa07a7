package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.fault;

import java.util.List;
import java.util.function.Supplier;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** Faults of the configuration space and of the offer. */
final class FunctionFaults {
    private FunctionFaults() {}

    private static Fault restricted(String name, String clause, Supplier<Bending> bending) {
        return new Fault(name, clause, Kind.RESTRICTED, bending);
    }

    static List<Fault> all() {
        return List.of(
                fault("another vendor id", "PCI-ID-DEV-01", Bend.config(0, id -> id & ~0xffffL | 0x1af5)),
                fault("device id of no type", "PCI-ID-DEV-02", Bend.config(2, id -> 0x10ff)),
                fault("device id far beyond", "PCI-ID-DEV-04", Bend.config(2, id -> 0x2000)),
                fault("revision 0", "PCI-ID-DEV-05", Bend.config(8, id -> id & ~0xffL)),
                fault("subsystem id 1", "PCI-ID-DEV-06", Bend.config(0x2e, id -> 1)),
                fault("a bridge's header", "PCI-BUS-DEV-01", Bend.config(0x0e, type -> 1)),
                fault(
                        "BAR 4 says half its size",
                        "PCI-BUS-DEV-01",
                        Bend.config(0x20, bar -> bar >>> 31 == 0 ? bar : bar | 0x2000)),
                fault("cap_len of the common configuration 8", "PCI-CAP-DEV-01", Bend.capability(1, 2, len -> 8)),
                fault("cap_len of the notification 16", "PCI-CAP-DEV-01", Bend.capability(2, 2, len -> 16)),
                fault("common configuration at offset 2", "PCI-COMMON-DEV-01", Bend.capability(1, 8, at -> at + 2)),
                fault("no common configuration", "PCI-COMMON-DEV-02", Bend.capability(1, 3, type -> 0x77)),
                fault("common configuration in BAR 6", "PCI-COMMON-DEV-02", Bend.capability(1, 4, bar -> 6)),
                fault("no notification capability", "PCI-NOTIFYCAP-DEV-01", Bend.capability(2, 3, type -> 0x77)),
                fault("no ISR capability", "PCI-ISR-DEV-01", Bend.capability(3, 3, type -> 0x77)),
                fault("ISR beyond its BAR", "PCI-ISR-DEV-01", Bend.capability(3, 8, at -> 0x10_0000)),
                fault("device configuration at offset 1", "PCI-DEVCFG-DEV-01", Bend.capability(4, 8, at -> at + 1)),
                fault("no window capability", "PCI-CFGACCESS-DEV-01", Bend.capability(5, 3, type -> 0x77)),
                fault("multiplier 12", "PCI-NOTIFYCAP-DEV-07", Bend.capability(2, 16, m -> 12)),
                fault("multiplier 2 with NOTIFICATION_DATA", "PCI-NOTIFYCAP-DEV-07", Bend.capability(2, 16, m -> 2)),
                fault(
                        "notification at an odd offset",
                        "PCI-NOTIFYCAP-DEV-08",
                        Bend.capability(2, 8, at -> at + 2, 12, length -> length - 4)),
                fault("notification structure of 3 bytes", "PCI-NOTIFYCAP-DEV-09", Bend.capability(2, 12, len -> 3)),
                fault("queue_notify_off far out", "PCI-NOTIFYCAP-DEV-10", Bend.register(0x1e, off -> 0x7000)),
                fault("queue_notify_off at the last two bytes", "PCI-NOTIFYCAP-DEV-11", lastBytes()),
                fault("Table Size one too large", "PCI-MSIX-DEV-02", tableSize()),
                fault("one vector only", "PCI-MSIX-DEV-01", Bend.options(o -> o.withMsixVectors(1))),
                restricted("region longer than its BAR", "PCI-SHM-DEV-01", Bend.capability(8, 12, len -> len * 2)),
                restricted("region over the registers", "SHM-DEV-01", overRegisters()),
                restricted("two regions of one id", "PCI-SHM-DEV-02", Bend.capability(10, 3, type -> 8, 5, id -> 1)),
                restricted("vendor data of virtio itself", "PCI-VENDOR-DEV-03", vendor(4, 0x1af4)),
                restricted("vendor capability of 21 bytes", "PCI-VENDOR-DEV-04", vendor(2, 21)),
                fault("VERSION_1 not offered", "RESERVED-DEV-01", Bend.offer(1, bits -> bits & ~1L)),
                fault("SR_IOV without the capability", "RESERVED-DEV-10", Bend.offer(1, bits -> bits | 1 << 5)),
                fault("a reserved bit offered", "FEATURES-DEV-04", Bend.offer(1, bits -> bits | 1 << 13)),
                fault("CONFIG_WCE without FLUSH", "FEATURES-DEV-01", Bend.offer(0, bits -> bits & ~(1L << 9))),
                fault("FLUSH not offered", "BLK-INIT-DEV-01", Bend.offer(0, bits -> bits & ~(1L << 9 | 1L << 11))),
                fault("CONFIG_WCE needs FLUSH", "BLK-INIT-DEV-02", Bend.offer(0, bits -> bits & ~(1L << 9))),
                fault("zones offered, none there", "BLK-INIT-DEV-05", Bend.offer(0, bits -> bits | 1 << 17)),
                restricted("DMB without ACCESS_PLATFORM", "DMB-DEV-02", Bend.offer(1, bits -> bits & ~2L)));
    }

    private static Supplier<Bending> lastBytes() {
        return () -> Bend.function(f -> new BentFunction(f) {
            private final int at = capability(2);

            @Override
            long read(int region, long offset, int length, long real) {
                return region == CONFIG_REGION && offset == at + 12 ? 2 : real;
            }
        });
    }

    private static Supplier<Bending> tableSize() {
        return () -> Bend.function(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                return region == CONFIG_REGION && length == 2 && offset == msix() + 2 ? real + 1 : real;
            }

            private int msix() {
                int at = (int) ask(CONFIG_REGION, 0x34, 1);
                while (at != 0 && ask(CONFIG_REGION, at, 1) != 0x11) {
                    at = (int) ask(CONFIG_REGION, at + 1, 1);
                }
                return at;
            }
        });
    }

    private static Supplier<Bending> overRegisters() {
        return () -> Bend.function(f -> new BentFunction(f) {
            private final int at = capability(8);

            @Override
            long read(int region, long offset, int length, long real) {
                if (region != CONFIG_REGION || offset < at + 4 || offset > at + 20) {
                    return real;
                }
                return switch ((int) offset - at) {
                    case 4 -> REGISTERS;
                    case 12 -> 0x4000;
                    case 5 -> real;
                    default -> 0;
                };
            }
        });
    }

    /** The SWIOTLB capability passes for vendor data. */
    private static Supplier<Bending> vendor(int field, int value) {
        return () -> Bend.function(f -> new BentFunction(f) {
            private final int at = capability(10);

            @Override
            long read(int region, long offset, int length, long real) {
                if (region != CONFIG_REGION) {
                    return real;
                }
                return offset == at + 3 ? 9 : offset == at + field ? value : real;
            }
        });
    }
}
