package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Bend.bent;
import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.util.List;
import org.virtiobackend.pci.PciFunction;

/** Faults of negotiation, reset, queue reset and suspension. */
final class LifecycleFaults {
    private static final int DRIVER_OK = 4;
    private static final int FEATURES_OK = 8;
    private static final int NEEDS_RESET = 64;

    private LifecycleFaults() {}

    static List<Fault> all() {
        return List.of(
                fault("a live device ignores its reset", "RESET-DEV-01", bent(DeafToReset::new)),
                fault("status shows DRIVER again after reset", "PCI-COMMON-DEV-07", bent(RestlessReset::new)),
                fault("queues stay enabled over a reset", "PCI-COMMON-DEV-08", Bend.register(QUEUE_ENABLE, e -> 1)),
                fault("queue_reset reads 1 all the time", "PCI-COMMON-DEV-09", Bend.register(QUEUE_RESET, r -> 1)),
                fault("queue_reset reads 1 on a live queue", "PCI-COMMON-DEV-10", bent(ResetOfLiveQueue::new)),
                fault("queue_reset does nothing, and says done", "PCI-COMMON-DEV-11", bent(PretendedQueueReset::new)),
                fault("queue_reset done at once, enabled still", "PCI-COMMON-DEV-12", bent(HastyQueueReset::new)),
                fault("queue_enable is 1 after queue_reset", "PCI-COMMON-DEV-13", Bend.register(QUEUE_ENABLE, e -> 1)),
                fault("a reset queue goes on", "RINGRESET-DEV-01", bent(PretendedQueueReset::new)),
                fault("queue_size stays small over a queue reset", "RINGRESET-DEV-02", bent(SizeKept::new)),
                fault("a size at re-enable is ignored", "REENABLE-DEV-01", bent(SizeIgnored::new)),
                fault("FEATURES_OK for features not offered", "FEATURES-DEV-03", Bend.offer(1, bits -> bits)),
                fault("bits not offered are dropped in silence", "FEATURES-DEV-03", Bend.offer(0, bits -> bits)),
                fault("EVENT_IDX only with INDIRECT_DESC", "FEATURES-DEV-02", bent(PickyFeatures::new)),
                fault("a set is accepted once", "FEATURES-DEV-05", bent(OnceOnly::new)),
                fault("NEEDS_RESET is not shown", "STATUS-DEV-02", Bend.register(DEVICE_STATUS, s -> s & ~NEEDS_RESET)),
                fault("works before DRIVER_OK", "STATUS-DEV-01", bent(EarlyStart::new)),
                fault("works after a reset", "RESET-DEV-02", bent(LateReset::new)),
                fault("suspends before DRIVER_OK", "SUSPEND-DEV-01", bent(EarlySuspend::new)),
                fault("SUSPEND never comes", "SUSPEND-DEV-08", Bend.written(DEVICE_STATUS, s -> s & ~16L)),
                fault("goes on in suspension", "SUSPEND-DEV-04", bent(PretendedSuspend::new)),
                fault("resume never comes", "SUSPEND-DEV-09", bent(EndlessSuspend::new)),
                fault("configuration notification in suspension", "SUSPEND-DEV-06", bent(PretendedSuspend::new)),
                fault("configuration changes in suspension", "SUSPEND-DEV-05", bent(PretendedSuspend::new)));
    }

    private static final class DeafToReset extends BentFunction {
        DeafToReset(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean reset = isRegister(region, offset, DEVICE_STATUS) && value == 0;
            if (!reset || (ask(REGISTERS, DEVICE_STATUS, 1) & DRIVER_OK) == 0) {
                pass(region, offset, length, value);
            }
        }
    }

    private static final class RestlessReset extends BentFunction {
        private int reads;

        RestlessReset(PciFunction f) {
            super(f);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            if (!isRegister(region, offset, DEVICE_STATUS)) {
                return real;
            }
            reads = real == 0 ? reads + 1 : 0;
            return reads > 2 ? 2 : real;
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DEVICE_STATUS)) {
                reads = 0;
            }
            pass(region, offset, length, value);
        }
    }

    private static final class ResetOfLiveQueue extends BentFunction {
        ResetOfLiveQueue(PciFunction f) {
            super(f);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return isRegister(region, offset, QUEUE_RESET) ? ask(REGISTERS, QUEUE_ENABLE, 2) : real;
        }
    }

    private static class PretendedQueueReset extends BentFunction {
        private boolean pretending;

        PretendedQueueReset(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, QUEUE_RESET)) {
                pretending = true;
                return;
            }
            if (isRegister(region, offset, DEVICE_STATUS)) {
                pretending = false;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return pretending && isRegister(region, offset, QUEUE_ENABLE) ? 0 : real;
        }
    }

    private static final class HastyQueueReset extends BentFunction {
        HastyQueueReset(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (!isRegister(region, offset, QUEUE_RESET)) {
                pass(region, offset, length, value);
            }
        }
    }

    private static final class SizeKept extends BentFunction {
        private long size;

        SizeKept(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, QUEUE_RESET)) {
                size = ask(REGISTERS, QUEUE_SIZE, 2);
                pass(region, offset, length, value);
                pass(REGISTERS, QUEUE_SIZE, 2, size);
                return;
            }
            pass(region, offset, length, value);
        }
    }

    /** Shows the size that is written and works with another. */
    private static final class SizeIgnored extends BentFunction {
        private long shown = -1;
        private boolean again;

        SizeIgnored(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DEVICE_STATUS) || isRegister(region, offset, QUEUE_RESET)) {
                again = isRegister(region, offset, QUEUE_RESET);
                shown = -1;
            }
            if (again && isRegister(region, offset, QUEUE_SIZE)) {
                shown = value;
                return;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return shown >= 0 && isRegister(region, offset, QUEUE_SIZE) ? shown : real;
        }
    }

    private static final class PickyFeatures extends BentFunction {
        private long low;

        PickyFeatures(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DRIVER_FEATURE) && ask(REGISTERS, DRIVER_FEATURE_SELECT, 4) == 0) {
                low = value;
            }
            boolean refused = (low >>> 29 & 1) == 1 && (low >>> 28 & 1) == 0;
            boolean status = isRegister(region, offset, DEVICE_STATUS);
            pass(region, offset, length, refused && status ? value & ~FEATURES_OK : value);
        }
    }

    private static final class OnceOnly extends BentFunction {
        private int accepted;

        OnceOnly(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean asked = isRegister(region, offset, DEVICE_STATUS) && value == 11;
            accepted += asked ? 1 : 0;
            pass(region, offset, length, asked && accepted % 2 == 0 ? 3 : value);
        }
    }

    private static final class EarlyStart extends BentFunction {
        EarlyStart(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (region == REGISTERS && offset >= NOTIFY) {
                long status = ask(REGISTERS, DEVICE_STATUS, 1);
                if ((status & FEATURES_OK) != 0 && (status & DRIVER_OK) == 0) {
                    pass(REGISTERS, DEVICE_STATUS, 1, status | DRIVER_OK);
                }
            }
            pass(region, offset, length, value);
        }
    }

    /** A reset that is carried out with the next initialization. */
    private static final class LateReset extends BentFunction {
        private boolean pending;

        LateReset(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DEVICE_STATUS)) {
                if (value == 0) {
                    pending = true;
                    return;
                }
                if (pending) {
                    pending = false;
                    pass(REGISTERS, DEVICE_STATUS, 1, 0);
                }
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return pending && isRegister(region, offset, DEVICE_STATUS) ? 0 : real;
        }
    }

    private static final class EarlySuspend extends BentFunction {
        private boolean early;

        EarlySuspend(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DEVICE_STATUS)) {
                early = (value & 16) != 0 && (value & DRIVER_OK) == 0;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return early && isRegister(region, offset, DEVICE_STATUS) ? real | 16 : real;
        }
    }

    /** Shows suspension and works on. */
    private static final class PretendedSuspend extends BentFunction {
        private boolean shown;

        PretendedSuspend(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            if (isRegister(region, offset, DEVICE_STATUS)) {
                shown = !shown && (value & 16) != 0;
                pass(region, offset, length, value & ~16L);
                return;
            }
            pass(region, offset, length, value);
        }

        @Override
        long read(int region, long offset, int length, long real) {
            return shown && isRegister(region, offset, DEVICE_STATUS) ? real & ~DRIVER_OK | 16 : real;
        }
    }

    private static final class EndlessSuspend extends BentFunction {
        EndlessSuspend(PciFunction f) {
            super(f);
        }

        @Override
        void write(int region, long offset, int length, long value) {
            boolean status = isRegister(region, offset, DEVICE_STATUS);
            boolean asleep = (ask(REGISTERS, DEVICE_STATUS, 1) & 16) != 0;
            if (!status || !asleep || value == 0) {
                pass(region, offset, length, value);
            }
        }
    }
}
