package org.virtiobackend.conformance.checks;

import static org.virtiobackend.conformance.checks.NetPacket.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.conformance.checks.NetSession.Received;
import org.virtiobackend.conformance.checks.NetTransmitChecks.Kind;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Frames that the driver receives (virtio 1.4 5.1.9.3 and 5.1.9.4): which buffers they take, and what their headers say. */
public final class NetReceiveChecks implements Chapter {
    private static final int SMALL_BUFFER = 256;
    private static final int SMALL_COUNT = 12;
    private static final int SEGMENT = 500;
    private static final int SLACK = 64;

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    /** mtu, or what it is taken for when that says more than the memory of a check holds. */
    static int mtu(Bench bench) throws IOException {
        return (int) bench.registers().device(CONFIG_MTU, 2);
    }

    @Check(
            id = "net.receive-buffers",
            clauses = {
                "NET-RXBUF-DEV-01",
                "NET-RXBUF-DEV-02",
                "NET-RX-DEV-01",
                "NET-RX-DEV-02",
                "NET-RX-DEV-03",
                "NET-RX-DEV-04"
            },
            scope = Scope.RING)
    public void buffers(Bench bench) throws IOException {
        bench.about("NET-RXBUF-DEV-01");
        NetSession net = bench.has(VIRTIO_NET_F_MRG_RXBUF)
                ? NetSession.start(bench, 1, SMALL_COUNT, SMALL_BUFFER)
                : NetSession.start(bench);
        for (int length : new int[] {60, SMALL_BUFFER - 12, SMALL_BUFFER, 700, 1200, 61, 1400}) {
            byte[] frame = net.frame(NetFrames.BROADCAST, length);
            bench.about("NET-RXBUF-DEV-01");
            net.arrive(complete(frame));
            judge(bench, net.begin(frame), frame);
        }
        bench.about("NET-RXBUF-DEV-02");
        bench.equal(0, net.strays(), "number of buffers that were used for no frame");
    }

    private static void judge(Bench bench, Received frame, byte[] sent) {
        int used = frame.lengths().size();
        for (String clause : List.of("NET-RXBUF-DEV-01", "NET-RX-DEV-01", "NET-RX-DEV-02")) {
            bench.about(clause);
            bench.equal(used, frame.numBuffers(), "num_buffers");
            bench.that(
                    Arrays.equals(sent, frame.packet().frame()),
                    "the " + used + " buffers that num_buffers speaks of do not hold the frame of " + sent.length
                            + " bytes");
        }
        bench.about("NET-RXBUF-DEV-02");
        bench.equal(1, used, "number of buffers");
        if (bench.about("NET-RX-DEV-03")) {
            for (int i = 0; i < used - 1; i++) {
                bench.equal(
                        frame.sizes().get(i), frame.lengths().get(i), "used length of a buffer that is not the last");
            }
            bench.that(true, "");
        }
        bench.about("NET-RX-DEV-04");
        bench.that(frame.together(), "a buffer of a frame was used before the others");
    }

    @Check(
            id = "net.receive-mtu",
            clauses = {"NET-CONFIG-DEV-05"},
            scope = Scope.FITTING)
    public void tooLong(Bench bench) throws IOException {
        bench.about("NET-CONFIG-DEV-05");
        int longest = mtu(bench) + NetFrames.ETHERNET;
        NetSession net = NetSession.start(bench, 1, 4, longest + SLACK + NetFrames.ETHERNET);
        if (longest + 1 > bench.peer().longestFrame()) {
            bench.skip("NET-CONFIG-DEV-05", bench.peer().description() + " carries no frames of that length");
            return;
        }
        for (int more : new int[] {1, 5, SLACK}) {
            byte[] frame = net.frame(NetFrames.BROADCAST, longest + more);
            bench.that(!net.isDelivered(frame), "a frame of mtu + 14 + " + more + " bytes is delivered");
        }
    }

    @Check(
            id = "net.receive-header",
            clauses = {
                "NET-RX-DEV-05",
                "NET-RX-DEV-06",
                "NET-RX-DEV-07",
                "NET-RX-DEV-08",
                "NET-RX-DEV-09",
                "NET-RX-DEV-10",
                "NET-RX-DEV-11",
                "NET-RX-DEV-12",
                "NET-RX-DEV-13",
                "NET-RX-DEV-14",
                "NET-RX-DEV-18",
                "NET-RX-DEV-19",
                "NET-RX-DEV-20",
                "NET-RX-DEV-21",
                "NET-RX-DEV-23",
                "NET-RX-DEV-24",
                "NET-RX-DEV-25",
                "NET-RX-DEV-26",
                "NET-RX-DEV-28",
                "NET-RX-DEV-29",
                "NET-RX-DEV-31",
                "NET-RX-DEV-32"
            },
            scope = Scope.FITTING)
    public void header(Bench bench) throws IOException {
        bench.about("NET-RX-DEV-06");
        NetSession net = NetSession.start(bench);
        for (boolean six : new boolean[] {false, true}) {
            for (int protocol : new int[] {NetFrames.TCP, NetFrames.UDP}) {
                byte[] sound = NetFrames.ip(six, protocol, 1, NetFrames.TCP_ACK, NetFrames.bytes(123, protocol));
                judge(bench, net, complete(sound), false);
                byte[] wrong = sound.clone();
                wrong[wrong.length - 1] ^= 1;
                judge(bench, net, complete(wrong), true);
                if (net.passes(VIRTIO_NET_F_CSUM)) {
                    judge(bench, net, NetFrames.partial(sound), false);
                }
            }
        }
        judge(bench, net, complete(net.frame(NetFrames.BROADCAST, 100)), false);
        byte[] inner = NetFrames.ip(false, NetFrames.TCP, 2, NetFrames.TCP_ACK, NetFrames.bytes(600, 5));
        judge(bench, net, complete(NetFrames.vxlan(inner)), false);
        for (NetPacket packet : unsegmented(net)) {
            try {
                judge(bench, net, packet, false);
            } catch (NetPeer.CannotSendException e) {
                bench.trace().add(e.getMessage());
            }
        }
    }

    /** Frames that arrive in one piece. */
    private static List<NetPacket> unsegmented(NetSession net) {
        List<NetPacket> packets = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            if (net.passes(kind.feature)) {
                packets.add(NetFrames.unsegmented(kind.frame(1, 0), kind.gsoType, SEGMENT));
                boolean tcp = kind.gsoType != GSO_UDP_L4;
                if (tcp && net.passes(VIRTIO_NET_F_HOST_ECN)) {
                    byte[] frame = kind.frame(1, NetFrames.TCP_CWR);
                    packets.add(NetFrames.unsegmented(frame, kind.gsoType | GSO_ECN, SEGMENT));
                }
            }
        }
        return packets;
    }

    private static void judge(Bench bench, NetSession net, NetPacket sent, boolean wrong) throws IOException {
        bench.about("NET-RX-DEV-06");
        for (Received received : net.deliver(sent)) {
            NetPacket packet = received.packet();
            if (packet.frame().length >= NetFrames.ETHERNET) {
                judgeNotNegotiated(bench, packet);
                judgeChecksum(bench, packet, wrong);
                judgeUnsegmented(bench, packet);
            }
        }
    }

    /** What may not be there without a feature. */
    private static void judgeNotNegotiated(Bench bench, NetPacket packet) {
        bench.about("NET-RX-DEV-05");
        bench.equal(0, packet.flags(), "flags without GUEST_CSUM");
        never(bench, "NET-RX-DEV-07", packet.gsoKind() == GSO_TCPV4, packet);
        never(bench, "NET-RX-DEV-08", packet.gsoKind() == GSO_UDP, packet);
        never(bench, "NET-RX-DEV-09", packet.gsoKind() == GSO_TCPV6, packet);
        never(bench, "NET-RX-DEV-10", packet.gsoKind() == GSO_UDP_L4, packet);
        never(bench, "NET-RX-DEV-11", (packet.gsoType() & (GSO_TUNNEL4 | GSO_TUNNEL6)) != 0, packet);
        never(bench, "NET-RX-DEV-12", packet.has(UDP_TUNNEL_CSUM), packet);
        boolean congestion = (packet.gsoType() & GSO_ECN) != 0 || hasCwr(packet);
        never(bench, "NET-RX-DEV-13", packet.isSegmented() && congestion, packet);
        boolean tunnel = NetFrames.isTunnel(packet.frame());
        never(bench, "NET-RX-DEV-21", packet.isSegmented() && tunnel, packet);
        never(bench, "NET-RX-DEV-23", packet.isSegmented() && tunnel, packet);
        never(bench, "NET-RX-DEV-24", packet.isSegmented(), packet);
        never(bench, "NET-RX-DEV-28", packet.has(RSC_INFO), packet);
        boolean tunnelBit = (packet.gsoType() & (GSO_TUNNEL4 | GSO_TUNNEL6)) != 0;
        never(bench, "NET-RX-DEV-32", packet.has(DATA_VALID) && tunnelBit, packet);
    }

    private static boolean hasCwr(NetPacket packet) {
        boolean ip = NetFrames.type(packet.frame()) == NetFrames.TYPE_IPV4
                || NetFrames.type(packet.frame()) == NetFrames.TYPE_IPV6;
        return ip
                && NetFrames.protocol(packet.frame()) == NetFrames.TCP
                && (NetFrames.tcpFlags(packet.frame()) & NetFrames.TCP_CWR) != 0;
    }

    private static void never(Bench bench, String clause, boolean there, NetPacket packet) {
        bench.about(clause);
        bench.that(!there, "received: " + packet);
    }

    /** @param wrong the frame was sent with a wrong checksum */
    private static void judgeChecksum(Bench bench, NetPacket packet, boolean wrong) {
        bench.about("NET-RX-DEV-31");
        bench.that(!wrong || !packet.has(DATA_VALID), "DATA_VALID on a frame with a wrong checksum");
        if (!wrong) {
            bench.about("NET-RX-DEV-06");
            String problem = NetFrames.problem(packet.frame());
            bench.that(problem == null, problem);
        }
        if (!packet.has(NEEDS_CSUM)) {
            return;
        }
        bench.about("NET-RX-DEV-18");
        bench.that(NetFrames.headerProblem(packet.frame()) == null, "the checksum of the IPv4 header is wrong");
        bench.about("NET-RX-DEV-19");
        int at = packet.csumStart() + packet.csumOffset();
        boolean inside = at + 2 <= packet.frame().length;
        bench.that(
                inside && NetFrames.get16(packet.frame(), at) == NetFrames.pseudoSum(packet.frame()),
                "what is at csum_start + csum_offset is not the sum of the pseudo header");
        bench.about("NET-RX-DEV-20");
        String problem = inside ? NetFrames.problem(packet.finished()) : "csum_start points out of the frame";
        bench.that(problem == null, "completed as NEEDS_CSUM says, " + problem);
    }

    private static void judgeUnsegmented(Bench bench, NetPacket packet) {
        if (!packet.isSegmented()) {
            return;
        }
        if (hasCwr(packet)) {
            bench.about("NET-RX-DEV-14");
            bench.that((packet.gsoType() & GSO_ECN) != 0, "TCP with CWR, without the bit ECN in gso_type");
        }
        bench.about("NET-RX-DEV-25");
        bench.that(packet.has(NEEDS_CSUM), "without NEEDS_CSUM: " + packet);
        bench.about("NET-RX-DEV-26");
        bench.equal(SEGMENT, packet.gsoSize(), "gso_size");
        bench.about("NET-RX-DEV-29");
        int headers = NetFrames.payloadAt(packet.frame());
        bench.that(packet.hdrLen() >= headers, "hdr_len " + packet.hdrLen() + " of headers of " + headers + " bytes");
    }
}
