package org.virtiobackend.conformance.mutation;

import java.util.function.Function;
import java.util.function.LongUnaryOperator;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** Short forms for faults. */
final class Bend {
    private Bend() {}

    /** Something between function and bus. */
    static Bending function(Function<PciFunction, PciFunction> wrap) {
        return new Bending() {
            @Override
            public PciFunction function(VirtioPciFunction function) {
                return wrap.apply(function);
            }
        };
    }

    static Supplier<Bending> bent(Function<PciFunction, PciFunction> wrap) {
        return () -> function(wrap);
    }

    /** Something between device and memory. */
    static Supplier<Bending> memory(Supplier<BentMemory> memory) {
        return () -> new Bending() {
            private final BentMemory bent = memory.get();

            @Override
            public DmaPolicy policy(DmaPolicy policy) {
                return bent.bend(policy);
            }
        };
    }

    static Supplier<Bending> options(UnaryOperator<VirtioPciOptions> change) {
        return () -> new Bending() {
            @Override
            public VirtioPciOptions options(VirtioPciOptions options) {
                return change.apply(options);
            }
        };
    }

    /** Another value for one register of the configuration space. */
    static Supplier<Bending> config(int register, LongUnaryOperator value) {
        return () -> function(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                return region == CONFIG_REGION && offset == register ? value.applyAsLong(real) : real;
            }
        });
    }

    /** Another value for one field of a virtio capability. */
    static Supplier<Bending> capability(int type, int field, LongUnaryOperator value) {
        return () -> function(f -> new BentFunction(f) {
            private final int at = capability(type);

            @Override
            long read(int region, long offset, int length, long real) {
                return region == CONFIG_REGION && offset == at + field ? value.applyAsLong(real) : real;
            }
        });
    }

    /** The same for two fields. */
    static Supplier<Bending> capability(
            int type, int field, LongUnaryOperator value, int second, LongUnaryOperator secondValue) {
        return () -> function(f -> new BentFunction(f) {
            private final int at = capability(type);

            @Override
            long read(int region, long offset, int length, long real) {
                if (region != CONFIG_REGION || offset != at + field && offset != at + second) {
                    return real;
                }
                return offset == at + field ? value.applyAsLong(real) : secondValue.applyAsLong(real);
            }
        });
    }

    /** Another value for one register of the virtio registers. */
    static Supplier<Bending> register(int register, LongUnaryOperator value) {
        return () -> function(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                return isRegister(region, offset, register) ? value.applyAsLong(real) : real;
            }
        });
    }

    /** Another value in place of the one that the driver writes to a register; -1: none. */
    static Supplier<Bending> written(int register, LongUnaryOperator value) {
        return () -> function(f -> new BentFunction(f) {
            @Override
            void write(int region, long offset, int length, long wanted) {
                long passed = isRegister(region, offset, register) ? value.applyAsLong(wanted) : wanted;
                if (passed >= 0 || !isRegister(region, offset, register)) {
                    pass(region, offset, length, passed);
                }
            }
        });
    }

    /** Bits of the offer changed; word 0 or 1. A driver may choose bits that are offered wrongly. */
    static Supplier<Bending> offer(int word, LongUnaryOperator bits) {
        return () -> function(f -> new BentFunction(f) {
            @Override
            long read(int region, long offset, int length, long real) {
                boolean shown = isRegister(region, offset, 4) && ask(REGISTERS, 0, 4) == word;
                return shown ? bits.applyAsLong(real) : real;
            }

            @Override
            void write(int region, long offset, int length, long wanted) {
                boolean chosen = isRegister(region, offset, 0xc) && ask(REGISTERS, 8, 4) == word;
                long passed = chosen ? wanted & offered(word) : wanted;
                pass(region, offset, length, passed);
            }

            private long offered(int select) {
                long before = ask(REGISTERS, 0, 4);
                pass(REGISTERS, 0, 4, select);
                long real = ask(REGISTERS, 4, 4);
                pass(REGISTERS, 0, 4, before);
                return real;
            }
        });
    }
}
