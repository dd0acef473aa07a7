package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.LongUnaryOperator;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;

/** Faults in the network device's configuration, and in how it obeys the control queue. */
final class NetControlFaults {
    private static final int NO_CLASS = 99;
    private static final int DATA = 2;

    private NetControlFaults() {}

    static List<Fault> all() {
        return Stream.of(configuration(), filters(), tables(), queues(), coalescing())
                .flatMap(List::stream)
                .toList();
    }

    private static Fault command(String name, String clause, Consumer<Bytes> change) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            void commanded(Bytes command) {
                change.accept(command);
            }
        });
    }

    private static boolean is(Bytes command, int group, int number) {
        return command.length() > DATA && command.get(0) == group && command.get(1) == number;
    }

    private static boolean isMode(Bytes command, int mode, int on) {
        return is(command, VIRTIO_NET_CTRL_RX, mode) && command.get(DATA) == on;
    }

    private static void setMode(Bytes command, int mode, int on) {
        command.put(0, VIRTIO_NET_CTRL_RX);
        command.put(1, mode);
        command.put(DATA, on);
    }

    private static Fault features(String name, String clause, LongUnaryOperator change) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            long features(long accepted) {
                return change.applyAsLong(accepted);
            }
        });
    }

    private static Fault register(String name, String clause, int field, LongUnaryOperator value) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            public PciFunction function(VirtioPciFunction function) {
                return new BentFunction(function) {
                    @Override
                    long read(int region, long offset, int length, long real) {
                        return isRegister(region, offset, DEVICE + field) ? value.applyAsLong(real) : real;
                    }
                };
            }
        });
    }

    /** A field that is read as part of a word, different each time. */
    private static Fault unsteady(String name, String clause, int word, int shift) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            public PciFunction function(VirtioPciFunction function) {
                return new BentFunction(function) {
                    private long reads;

                    @Override
                    long read(int region, long offset, int length, long real) {
                        return isRegister(region, offset, DEVICE + word) && length == 4
                                ? real ^ reads++ << shift
                                : real;
                    }
                };
            }
        });
    }

    private static List<Fault> configuration() {
        return List.of(
                register("no queue pairs", "NET-CONFIG-DEV-01", CONFIG_MAX_VIRTQUEUE_PAIRS, v -> 0),
                register("mtu 67", "NET-CONFIG-DEV-02", CONFIG_MTU, v -> 67),
                register("mtu 1279", "NET-CONFIG-DEV-03", CONFIG_MTU, v -> 1279),
                unsteady("mtu changes", "NET-CONFIG-DEV-04", CONFIG_MAX_VIRTQUEUE_PAIRS, 16),
                register("keys of 39 bytes", "NET-CONFIG-DEV-07", CONFIG_RSS_MAX_KEY_SIZE, v -> 39),
                register("tables of 64", "NET-CONFIG-DEV-08", CONFIG_RSS_MAX_INDIRECTION_TABLE_LENGTH, v -> 64),
                register("speed 0x80000000", "NET-CONFIG-DEV-10", CONFIG_SPEED, v -> 0x8000_0000L),
                register("duplex 2", "NET-CONFIG-DEV-11", CONFIG_DUPLEX, v -> 2),
                unsteady("speed changes", "NET-CONFIG-DEV-12", CONFIG_SPEED, 0),
                fault("HASH_REPORT alone", "NET-CONFIG-DEV-13", alone(VIRTIO_NET_F_HASH_REPORT)),
                fault("CTRL_RX_EXTRA alone", "NET-CONFIG-DEV-14", alone(VIRTIO_NET_F_CTRL_RX_EXTRA)));
    }

    /** The first word of the offer without CTRL_VQ. */
    private static Supplier<Bending> alone(long feature) {
        return () -> new BentNet() {
            @Override
            public PciFunction function(VirtioPciFunction function) {
                return Bend.offer(0, bits -> bits & ~VIRTIO_NET_F_CTRL_VQ | feature & 0xffff_ffffL)
                        .get()
                        .function(function);
            }
        };
    }

    private static List<Fault> filters() {
        return List.of(
                command("ALLMULTI is unknown", "NET-FILTER-DEV-01", c -> {
                    if (is(c, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI)) {
                        c.put(0, NO_CLASS);
                    }
                }),
                command("NOBCAST is unknown", "NET-FILTER-DEV-05", c -> {
                    if (is(c, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST)) {
                        c.put(0, NO_CLASS);
                    }
                }),
                ignored("PROMISC", "NET-FILTER-DEV-02", VIRTIO_NET_CTRL_RX_PROMISC),
                command("NOUNI wins over PROMISC", "NET-FILTER-DEV-03", c -> {
                    if (isMode(c, VIRTIO_NET_CTRL_RX_NOUNI, 1)) {
                        setMode(c, VIRTIO_NET_CTRL_RX_PROMISC, 0);
                    }
                }),
                ignored("ALLMULTI", "NET-FILTER-DEV-04", VIRTIO_NET_CTRL_RX_ALLMULTI),
                ignored("ALLUNI", "NET-FILTER-DEV-06", VIRTIO_NET_CTRL_RX_ALLUNI),
                ignored("NOMULTI", "NET-FILTER-DEV-07", VIRTIO_NET_CTRL_RX_NOMULTI),
                outdone("ALLMULTI wins over NOMULTI", "NET-FILTER-DEV-08", 3, VIRTIO_NET_CTRL_RX_ALLMULTI),
                command("NOMULTI means broadcast as well", "NET-FILTER-DEV-09", c -> {
                    if (is(c, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI)) {
                        c.put(1, VIRTIO_NET_CTRL_RX_NOBCAST);
                    }
                }),
                ignored("NOUNI", "NET-FILTER-DEV-10", VIRTIO_NET_CTRL_RX_NOUNI),
                outdone("ALLUNI wins over NOUNI", "NET-FILTER-DEV-11", 4, VIRTIO_NET_CTRL_RX_ALLUNI),
                ignored("NOBCAST", "NET-FILTER-DEV-12", VIRTIO_NET_CTRL_RX_NOBCAST),
                outdone("ALLMULTI wins over NOBCAST", "NET-FILTER-DEV-13", 5, VIRTIO_NET_CTRL_RX_ALLMULTI));
    }

    private static Fault ignored(String name, String clause, int mode) {
        return command(name + " is ignored", clause, c -> {
            if (isMode(c, mode, 1)) {
                c.put(DATA, 0);
            }
        });
    }

    /** Once one mode is on, another lets everything pass. */
    private static Fault outdone(String name, String clause, int first, int second) {
        return fault(name, clause, () -> new BentNet() {
            private boolean on;

            @Override
            void commanded(Bytes command) {
                if (isMode(command, first, 1)) {
                    on = true;
                } else if (isMode(command, first, 0)) {
                    on = false;
                } else if (on && isMode(command, second, 1)) {
                    setMode(command, VIRTIO_NET_CTRL_RX_PROMISC, 1);
                }
            }
        });
    }

    private static List<Fault> tables() {
        return List.of(
                fault("everything passes after a reset", "NET-MAC-DEV-01", () -> new BentNet() {
                    private boolean used;

                    @Override
                    long features(long accepted) {
                        return used ? accepted & ~VIRTIO_NET_F_CTRL_RX : accepted;
                    }

                    @Override
                    void commanded(Bytes command) {
                        used |= is(command, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET);
                    }
                }),
                command("MAC_TABLE_SET is ignored", "NET-MAC-DEV-02", c -> {
                    if (is(c, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET)) {
                        setMode(c, VIRTIO_NET_CTRL_RX_ALLMULTI, 0);
                    }
                }),
                command("MAC_ADDR_SET sets another address", "NET-MAC-DEV-03", c -> {
                    if (is(c, VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET)) {
                        c.put(DATA + 5, 0x55);
                    }
                }),
                features("every address passes", "NET-MAC-DEV-04", f -> f & ~VIRTIO_NET_F_CTRL_RX),
                features(
                        "tags need a table",
                        "NET-VLAN-DEV-01",
                        f -> (f & VIRTIO_NET_F_CTRL_VQ) != 0 ? f | VIRTIO_NET_F_CTRL_VLAN : f),
                command("VLAN_ADD takes away", "NET-VLAN-DEV-02", c -> {
                    if (is(c, VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD)) {
                        c.put(1, VIRTIO_NET_CTRL_VLAN_DEL);
                    }
                }),
                features("every tag passes", "NET-VLAN-DEV-03", f -> f & ~VIRTIO_NET_F_CTRL_VLAN),
                command("ANNOUNCE_ACK is ignored", "NET-ANNOUNCE-DEV-01", c -> {
                    if (c.get(0) == VIRTIO_NET_CTRL_ANNOUNCE) {
                        c.put(0, NO_CLASS);
                    }
                }),
                command("offloads stay on", "NET-OFFLOADS-DEV-01", c -> {
                    if (c.get(0) == VIRTIO_NET_CTRL_GUEST_OFFLOADS) {
                        c.put(DATA, (int) VIRTIO_NET_F_GUEST_CSUM);
                    }
                }));
    }

    private static List<Fault> queues() {
        return List.of(
                fault("frames go to the second pair", "NET-MQ-DEV-01", () -> new Swapped(true)),
                fault("frames go on to the second pair", "NET-MQ-DEV-02", () -> new Swapped(false)),
                fault("frames wait for the end of a reset", "NET-MQ-DEV-04", Keeping::new),
                fault("steered frames wait for the end of a reset", "NET-RSS-DEV-03", Keeping::new),
                command("first entry of the indirection table wrong", "NET-RSS-DEV-01", c -> {
                    if (is(c, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG)) {
                        for (int entry = 0; entry <= c.get(DATA + 4); entry++) {
                            c.put(DATA + 8 + 2 * entry, 0);
                        }
                    }
                }),
                command("unclassified frames go to the first queue", "NET-RSS-DEV-02", c -> {
                    if (is(c, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG)) {
                        c.put(DATA + 6, 0);
                    }
                }),
                command("a bit of the key is wrong", "NET-HASH-DEV-01", c -> {
                    if (c.get(0) == VIRTIO_NET_CTRL_MQ && c.get(1) != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) {
                        c.put(c.length() - 40, c.get(c.length() - 40) ^ 1);
                    }
                }));
    }

    /** The receive queues change places, at once or after the first time that more than one was set. */
    private static final class Swapped extends BentNet {
        private final boolean always;
        private volatile boolean set;

        Swapped(boolean always) {
            this.always = always;
        }

        @Override
        int handler(int queue) {
            boolean swap = isMultiqueue() && (always || set) && queue % 2 == 0 && queue < 2 * PAIRS;
            return swap ? 2 - queue : queue;
        }

        @Override
        void commanded(Bytes command) {
            set |= is(command, VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET) && command.get(DATA) > 1;
        }
    }

    private static final class Keeping extends BentNet {
        @Override
        boolean keepsFrames() {
            return true;
        }
    }

    private static List<Fault> coalescing() {
        return List.of(
                command("reserved must be 0", "NET-COAL-DEV-01", c -> {
                    if (isCoalescing(c, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET) && c.get16(DATA + 2) != 0) {
                        c.put(0, NO_CLASS);
                    }
                }),
                command("TX_SET and RX_SET set something else", "NET-COAL-DEV-02", c -> {
                    if (c.get(0) == VIRTIO_NET_CTRL_NOTF_COAL && c.get(1) <= VIRTIO_NET_CTRL_NOTF_COAL_RX_SET) {
                        c.put(DATA, 0);
                    }
                }),
                command("VQ_SET sets something else", "NET-COAL-DEV-03", c -> {
                    if (isCoalescing(c, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET)) {
                        c.put(DATA + 8, 0);
                    }
                }),
                command("the control queue has parameters", "NET-COAL-DEV-04", c -> {
                    if (c.get(0) == VIRTIO_NET_CTRL_NOTF_COAL && c.get(1) >= VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET) {
                        c.put16(DATA, c.get16(DATA) & 1);
                    }
                }),
                fault("transmit queues keep theirs over a reset", "NET-COAL-DEV-05", () -> new Remembering(1)),
                fault("receive queues keep theirs over a reset", "NET-COAL-DEV-06", () -> new Remembering(0)),
                fault("all queues keep theirs over a reset", "NET-COAL-DEV-09", () -> new Remembering(0)),
                fault("NO_INTERRUPT overlooked", "NET-COAL-DEV-08", NetControlFaults::noisy));
    }

    private static boolean isCoalescing(Bytes command, int number) {
        return is(command, VIRTIO_NET_CTRL_NOTF_COAL, number);
    }

    /** VQ_GET answers with what VQ_SET said last. */
    private static final class Remembering extends BentNet {
        private final int queue;
        private final Map<Integer, int[]> last = new HashMap<>();

        Remembering(int queue) {
            this.queue = queue;
        }

        @Override
        void commanded(Bytes command) {
            if (isCoalescing(command, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET) && command.get(DATA) == queue) {
                int[] parameters = new int[8];
                for (int i = 0; i < parameters.length; i++) {
                    parameters[i] = command.get(DATA + 4 + i);
                }
                last.put(queue, parameters);
            }
        }

        @Override
        void answered(Bytes command, Bytes answer) {
            int[] parameters = last.get(queue);
            boolean asked = isCoalescing(command, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET) && command.get(DATA) == queue;
            for (int i = 0; asked && parameters != null && i < parameters.length; i++) {
                answer.put(1 + i, parameters[i]);
            }
        }
    }

    private static Bending noisy() {
        BentMemory memory = new BentMemory() {
            @Override
            void fetched(Area area, RingAccess real, int offset, byte[] bytes) {
                if (area == Area.DRIVER && holds(offset, bytes, 0)) {
                    put16(bytes, -offset, 0);
                }
            }
        };
        return new BentNet() {
            @Override
            public DmaPolicy policy(DmaPolicy policy) {
                return memory.bend(policy);
            }
        };
    }
}
