package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.conformance.mutation.Fault.fault;
import static org.virtiobackend.devices.net.VirtioNet.*;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.VirtioPciFunction;

/** Faults in what the network device does with frames. */
final class NetFrameFaults {
    private static final int FLAGS = 0;
    private static final int GSO_TYPE = 1;
    private static final int HDR_LEN = 2;
    private static final int GSO_SIZE = 4;
    private static final int CSUM_START = 6;
    private static final int CSUM_OFFSET = 8;
    private static final int NUM_BUFFERS = 10;
    /** A gso_type that the device refuses. */
    private static final int NONSENSE = 0x17;

    private static final int TUNNEL = 0x60;
    /** Bytes of the small receive buffers of the runner. */
    private static final int FULL = 256;

    private static final int CONFIG_MTU_AT = 10;

    private NetFrameFaults() {}

    static List<Fault> all() {
        return java.util.stream.Stream.of(transmit(), buffers(), header())
                .flatMap(List::stream)
                .toList();
    }

    private static Fault transmit(String name, String clause, Consumer<Bytes> change) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            void transmitted(Bytes bytes) {
                change.accept(bytes);
            }
        });
    }

    /** Changes what was received, where there is a frame behind the header. */
    private static Fault receive(String name, String clause, Consumer<Packet> change) {
        return fault(name, clause, () -> new BentNet() {
            @Override
            void received(Bytes bytes) {
                Packet packet = new Packet(bytes, has(VIRTIO_NET_F_HASH_REPORT) ? 20 : 12);
                if (bytes.length() > packet.frame + 60) {
                    change.accept(packet);
                }
            }
        });
    }

    /** What lies in a receive buffer. */
    private record Packet(Bytes bytes, int frame) {
        int type() {
            return bytes.get(frame + 12) << 8 | bytes.get(frame + 13);
        }

        boolean isIpv4(int protocol) {
            return type() == 0x0800 && bytes.get(frame + 23) == protocol;
        }

        boolean isIpv6(int protocol) {
            return type() == 0x86dd && bytes.get(frame + 20) == protocol;
        }

        boolean isTunnel() {
            return isIpv4(17) && bytes.get(frame + 36) << 8 == (4789 & 0xff00);
        }

        boolean isUnsegmented() {
            return bytes.get(GSO_TYPE) != 0;
        }

        boolean isPartial() {
            return (bytes.get(FLAGS) & 1) != 0;
        }

        void or(int field, int bits) {
            bytes.put(field, bytes.get(field) | bits);
        }

        void and(int field, int bits) {
            bytes.put(field, bytes.get(field) & bits);
        }
    }

    private static List<Fault> transmit() {
        return List.of(
                transmit("unknown header flag is an error", "NET-TX-DEV-01", b -> {
                    if ((b.get(FLAGS) & 0x80) != 0) {
                        b.put(GSO_TYPE, NONSENSE);
                    }
                }),
                transmit("csum_start used without NEEDS_CSUM", "NET-TX-DEV-02", b -> {
                    if (b.get(FLAGS) == 0 && b.get16(CSUM_START) != 0) {
                        b.put(FLAGS, 1);
                    }
                }),
                transmit("hdr_len must be right", "NET-TX-DEV-07", b -> {
                    int hdrLen = b.get16(HDR_LEN);
                    if (b.get(GSO_TYPE) != 0 && hdrLen != 54 && hdrLen != 74 && hdrLen != 42 && hdrLen != 62) {
                        b.put(GSO_TYPE, NONSENSE);
                    }
                }),
                transmit("both tunnel bits overlooked", "NET-TX-DEV-08", b -> {
                    if ((b.get(GSO_TYPE) & TUNNEL) == TUNNEL) {
                        b.put(GSO_TYPE, b.get(GSO_TYPE) & ~TUNNEL);
                    }
                }),
                transmit("tunnel bit overlooked", "NET-TX-DEV-10", b -> {
                    if ((b.get(GSO_TYPE) & TUNNEL) != 0) {
                        b.put(GSO_TYPE, b.get(GSO_TYPE) & ~TUNNEL);
                        b.put(FLAGS, 1);
                    }
                }),
                transmit("tunnel checksum flag overlooked", "NET-TX-DEV-11", b -> b.put(FLAGS, b.get(FLAGS) & ~8)),
                transmit("frames above 1000 bytes are dropped", "NET-CONFIG-DEV-06", b -> {
                    if (b.length() > 1012) {
                        b.put(GSO_TYPE, NONSENSE);
                    }
                }),
                receive("own checksum trusted", "NET-TX-DEV-12", p -> p.or(FLAGS, 2)));
    }

    private static List<Fault> buffers() {
        return List.of(
                receive("num_buffers one too much", "NET-RXBUF-DEV-01", p -> {
                    p.bytes.put16(NUM_BUFFERS, p.bytes.get16(NUM_BUFFERS) + 1);
                }),
                fault("a buffer is wasted", "NET-RXBUF-DEV-02", () -> new BentNet() {
                    @Override
                    boolean wastesBuffers() {
                        return !has(VIRTIO_NET_F_MRG_RXBUF);
                    }
                }),
                receive("num_buffers 0", "NET-RX-DEV-01", p -> p.bytes.put16(NUM_BUFFERS, 0)),
                receive("num_buffers 1 whatever there is", "NET-RX-DEV-02", p -> p.bytes.put16(NUM_BUFFERS, 1)),
                memory("a byte stays free in each buffer", "NET-RX-DEV-03", ShortBuffers::new),
                memory("the last buffer comes later", "NET-RX-DEV-04", LateBuffers::new),
                fault("frames longer than mtu are delivered", "NET-CONFIG-DEV-05", () -> new BentNet() {
                    @Override
                    protected int mtu() {
                        return 2 * MTU;
                    }

                    @Override
                    public PciFunction function(VirtioPciFunction function) {
                        return new BentFunction(function) {
                            @Override
                            long read(int region, long offset, int length, long real) {
                                return isRegister(region, offset, DEVICE + CONFIG_MTU_AT) ? MTU : real;
                            }
                        };
                    }
                }));
    }

    private abstract static class Split extends BentMemory {
        @Override
        boolean concerns(long features) {
            return (features & VIRTIO_F_RING_PACKED) == 0;
        }
    }

    private static final class ShortBuffers extends Split {
        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            boolean entries = area == Area.DEVICE && offset >= 4 && offset < 4 + 8 * size;
            for (int at = 4; entries && at + 4 <= bytes.length; at += 8) {
                put16(bytes, at, u16(bytes, at) == FULL ? FULL - 1 : u16(bytes, at));
            }
            return bytes;
        }
    }

    private static final class LateBuffers extends Split {
        private final Map<RingAccess, Integer> shown = new IdentityHashMap<>();

        @Override
        byte[] stored(Area area, RingAccess real, int offset, byte[] bytes) {
            if (area == Area.DEVICE && offset == 2 && bytes.length == 2) {
                int index = u16(bytes, 0);
                if ((index - shown.getOrDefault(real, 0) & 0xffff) > 1) {
                    put16(bytes, 0, index - 1);
                }
                shown.put(real, index);
            }
            return bytes;
        }
    }

    private static Fault memory(String name, String clause, Supplier<BentMemory> supplier) {
        return fault(name, clause, () -> new BentNet() {
            private final BentMemory memory = supplier.get();

            @Override
            public DmaPolicy policy(DmaPolicy policy) {
                return memory.bend(policy);
            }
        });
    }

    private static List<Fault> header() {
        return List.of(
                receive("flags without GUEST_CSUM", "NET-RX-DEV-05", p -> p.or(FLAGS, 1)),
                receive("checksum left out", "NET-RX-DEV-06", p -> {
                    if (p.isIpv4(17) && !p.isPartial()) {
                        p.bytes.put16(p.frame + 40, 0x1234);
                    }
                }),
                receive("TCPV4 at any time", "NET-RX-DEV-07", p -> p.or(GSO_TYPE, p.isIpv4(6) ? 1 : 0)),
                receive("UDP at any time", "NET-RX-DEV-08", p -> p.or(GSO_TYPE, p.isIpv4(17) ? 3 : 0)),
                receive("TCPV6 at any time", "NET-RX-DEV-09", p -> p.or(GSO_TYPE, p.isIpv6(6) ? 4 : 0)),
                receive("UDP_L4 at any time", "NET-RX-DEV-10", p -> p.or(GSO_TYPE, p.isIpv6(17) ? 5 : 0)),
                receive("a tunnel bit", "NET-RX-DEV-11", p -> p.or(GSO_TYPE, 0x20)),
                receive("tunnel checksum flag", "NET-RX-DEV-12", p -> p.or(FLAGS, 8)),
                receive("ECN at any time", "NET-RX-DEV-13", p -> p.or(GSO_TYPE, p.isIpv4(6) ? 0x81 : 0)),
                receive("ECN forgotten", "NET-RX-DEV-14", p -> p.and(GSO_TYPE, 0x7f)),
                receive("a checksum before the last is wrong", "NET-RX-DEV-18", p -> {
                    if (p.isPartial() && p.type() == 0x0800) {
                        p.bytes.put16(p.frame + 24, 0x1234);
                    }
                }),
                receive("no pseudo header sum", "NET-RX-DEV-19", p -> {
                    if (p.isPartial()) {
                        int at = p.frame + p.bytes.get16(CSUM_START) + p.bytes.get16(CSUM_OFFSET);
                        p.bytes.put16(at, 0);
                    }
                }),
                receive("csum_offset two too small", "NET-RX-DEV-20", p -> {
                    if (p.isPartial()) {
                        p.bytes.put16(CSUM_OFFSET, p.bytes.get16(CSUM_OFFSET) - 2);
                    }
                }),
                receive("tunnels in one piece", "NET-RX-DEV-21", p -> p.or(GSO_TYPE, p.isTunnel() ? 1 : 0)),
                receive("tunnels in one piece, outer checksum left out", "NET-RX-DEV-23", p -> {
                    if (p.isTunnel()) {
                        p.or(GSO_TYPE, 1);
                        p.or(FLAGS, 9);
                    }
                }),
                receive("segments for whom they are nothing", "NET-RX-DEV-24", p -> p.or(GSO_TYPE, 1)),
                receive("segments without NEEDS_CSUM", "NET-RX-DEV-25", p -> {
                    if (p.isUnsegmented()) {
                        p.and(FLAGS, ~1);
                    }
                }),
                receive("gso_size 0", "NET-RX-DEV-26", p -> p.bytes.put16(GSO_SIZE, 0)),
                receive("RSC_INFO", "NET-RX-DEV-28", p -> p.or(FLAGS, 4)),
                receive("hdr_len too small", "NET-RX-DEV-29", p -> p.bytes.put16(HDR_LEN, 14)),
                receive("DATA_VALID unseen", "NET-RX-DEV-31", p -> p.or(FLAGS, 2)),
                receive("DATA_VALID with a tunnel bit", "NET-RX-DEV-32", p -> {
                    p.or(FLAGS, 2);
                    p.or(GSO_TYPE, 0x40);
                }));
    }
}
