package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Bend.bent;
import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.util.List;
import java.util.function.Supplier;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** Faults of registers, of the window on them, and of device configuration. */
final class RegisterFaults {
    private static final int FEATURES_OK = 8;

    private RegisterFaults() {}

    static List<Fault> all() {
        return List.of(
                fault("feature words beyond the last repeat it", "PCI-COMMON-DEV-03", bent(EndlessFeatures::new)),
                fault("driver_feature reads 0", "PCI-COMMON-DEV-04", Bend.register(DRIVER_FEATURE, f -> 0)),
                fault("config_generation stands still", "PCI-COMMON-DEV-06", Bend.register(CONFIG_GENERATION, g -> 0)),
                fault("queues that do not exist have a size", "PCI-COMMON-DEV-14", Bend.register(QUEUE_SIZE, s -> 64)),
                fault("queue_size 3 accepted", "PCI-COMMON-DEV-15", bent(AnySize::new)),
                fault("high halves ignored", "PCI-LAYOUT-DEV-01", Bend.written(QUEUE_DRIVER + 4, h -> -1)),
                fault("low half clears the high one", "PCI-LAYOUT-DEV-01", bent(LowClearsHigh::new)),
                fault("window reads 0", "PCI-CFGACCESS-DEV-03", Bend.capability(5, 16, v -> 0)),
                fault("window writes a byte at most", "PCI-CFGACCESS-DEV-02", bent(NarrowWindow::new)),
                fault("writes through the window are lost", "PCI-CFGACCESS-DEV-02", bent(DeafWindow::new)),
                fault("configuration reads 0 before FEATURES_OK", "CONFIG-DEV-01", bent(LateConfiguration::new)),
                fault("unused0 is 1", "BLK-INIT-DEV-04", configByte(33, 1)),
                fault("writeback is 1 from the start", "BLK-INIT-DEV-03", configByte(32, 1)),
                new Fault(
                        "common configuration ends before dmb_shm_id",
                        "DMB-DEV-03",
                        Kind.RESTRICTED,
                        Bend.capability(1, 12, len -> 0x40)),
                new Fault("dmb_shm_id 300", "DMB-DEV-04", Kind.RESTRICTED, Bend.register(0x40, id -> 300)),
                new Fault("dmb_shm_id of no region", "DMB-DEV-06", Kind.RESTRICTED, Bend.register(0x40, id -> 2)));
    }

    private static Supplier<Bending> configByte(int at, long value) {
        return bent(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                long shift = (DEVICE + at - offset) * 8;
                boolean inside = region == REGISTERS && shift >= 0 && shift < 8L * length;
                return inside ? real & ~(0xffL << shift) | value << shift : real;
            }
        });
    }

    private static final class EndlessFeatures extends BentFunction {
        EndlessFeatures(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean select = isRegister(region, offset, DEVICE_FEATURE_SELECT);
            pass(region, offset, length, select && value > 3 ? 1 : value);
        }
    }

    private static final class AnySize extends BentFunction {
        private long shown = -1;

        AnySize(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, QUEUE_SIZE)) {
                shown = value;
            } else if (isRegister(region, offset, QUEUE_SELECT)) {
                shown = -1;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return shown >= 0 && isRegister(region, offset, QUEUE_SIZE) ? shown : real;
        }
    }

    private static final class LowClearsHigh extends BentFunction {
        LowClearsHigh(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            pass(region, offset, length, value);
            if (isRegister(region, offset, QUEUE_DESC)) {
                pass(region, QUEUE_DESC + 4, 4, 0);
            }
        }
    }

    private static final class NarrowWindow extends BentFunction {
        private final int at = capability(5);

        NarrowWindow(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean data = region == CONFIG_REGION && offset == at + 16;
            pass(region, offset, length, data ? value & 0xff : value);
        }
    }

    private static final class DeafWindow extends BentFunction {
        private final int at = capability(5);

        DeafWindow(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (region != CONFIG_REGION || offset != at + 16) {
                pass(region, offset, length, value);
            }
        }
    }

    private static final class LateConfiguration extends BentFunction {
        LateConfiguration(PciFunction f) {
            super(f);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            boolean config = region == REGISTERS && offset >= DEVICE && offset < NOTIFY;
            return config && (ask(REGISTERS, DEVICE_STATUS, 1) & FEATURES_OK) == 0 ? 0 : real;
        }
    }
}
