package org.virtiobackend.conformance.checks;

import static org.virtiobackend.conformance.checks.NetPacket.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.virtio.VirtioDeviceId;

/** Frames that the driver transmits (virtio 1.4 5.1.9.2), as the other end of the link sees them. */
public final class NetTransmitChecks implements Chapter {
    private static final int UNKNOWN_FLAG = 0x80;
    private static final int SEGMENT = 500;
    private static final int PAYLOAD = 4 * SEGMENT + 7;

    @Override
    public int deviceType() {
        return VirtioDeviceId.NET;
    }

    @Check(
            id = "net.transmit-flags",
            clauses = {"NET-TX-DEV-01", "NET-TX-DEV-02"},
            scope = Scope.FITTING)
    public void flags(Bench bench) throws IOException {
        bench.about("NET-TX-DEV-01");
        NetSession net = NetSession.start(bench);
        NetPacket odd = complete(net.frame(NetFrames.BROADCAST, 90)).withFlags(UNKNOWN_FLAG);
        bench.that(passesUnchanged(net, odd), "a frame with flags 0x80 does not leave the device as it is");
        bench.about("NET-TX-DEV-02");
        byte[] udp = NetFrames.ip(false, NetFrames.UDP, 1, 0, NetFrames.bytes(100, 1));
        NetPacket inside = complete(udp).withChecksumAt(34, 6);
        bench.that(passesUnchanged(net, inside), "csum_start and csum_offset change a frame without NEEDS_CSUM");
        NetPacket outside = complete(udp).withChecksumAt(0xffff, 0xffff);
        bench.that(passesUnchanged(net, outside), "csum_start beyond the frame matters without NEEDS_CSUM");
    }

    private static boolean passesUnchanged(NetSession net, NetPacket packet) throws IOException {
        List<NetPacket> passed = net.pass(packet);
        return passed.size() == 1
                && !passed.get(0).has(NEEDS_CSUM)
                && Arrays.equals(passed.get(0).frame(), packet.frame());
    }

    @Check(id = "net.transmit-checksum", clauses = "NET-TX-DEV-12", scope = Scope.FITTING)
    public void checksum(Bench bench) throws IOException {
        bench.about("NET-TX-DEV-12");
        NetSession net = NetSession.start(bench);
        if (!bench.peer().isEcho()) {
            bench.skip(
                    "NET-TX-DEV-12",
                    "only a device that receives the frame itself could show its trust: --net-peer=echo");
            return;
        }
        byte[] wrong = NetFrames.ip(false, NetFrames.TCP, 1, NetFrames.TCP_ACK, NetFrames.bytes(100, 2));
        wrong[wrong.length - 1] ^= 1;
        for (NetPacket packet : net.pass(complete(wrong))) {
            bench.that(!packet.has(DATA_VALID), "a frame with a wrong checksum comes back with DATA_VALID");
        }
    }

    /** hdr_len right, 0, too small, too large, beyond the frame: what arrives is the same. */
    @Check(id = "net.transmit-hdr-len", clauses = "NET-TX-DEV-07", scope = Scope.FITTING)
    public void hdrLen(Bench bench) throws IOException {
        bench.about("NET-TX-DEV-07");
        NetSession net = NetSession.start(bench);
        boolean any = false;
        for (Kind kind : Kind.values()) {
            if (bench.has(kind.feature)) {
                any = true;
                byte[] frame = kind.frame(1, 0);
                NetPacket packet = NetFrames.unsegmented(frame, kind.gsoType, SEGMENT);
                for (int hdrLen : new int[] {packet.hdrLen(), 0, 20, packet.hdrLen() + 40, 0xffff}) {
                    List<NetPacket> passed = net.pass(packet.withHdrLen(hdrLen));
                    String problem = problem(passed, frame);
                    bench.that(problem == null, kind + " with hdr_len " + hdrLen + ": " + problem);
                }
            }
        }
        if (!any) {
            bench.skip("NET-TX-DEV-07", "nothing known to segment is negotiated");
        }
    }

    /** What the driver may leave to be segmented. */
    enum Kind {
        TCP4(VIRTIO_NET_F_HOST_TSO4, GSO_TCPV4, false, NetFrames.TCP),
        TCP6(VIRTIO_NET_F_HOST_TSO6, GSO_TCPV6, true, NetFrames.TCP),
        UDP4(VIRTIO_NET_F_HOST_USO, GSO_UDP_L4, false, NetFrames.UDP),
        UDP6(VIRTIO_NET_F_HOST_USO, GSO_UDP_L4, true, NetFrames.UDP);

        final long feature;
        final int gsoType;
        private final boolean six;
        private final int protocol;

        Kind(long feature, int gsoType, boolean six, int protocol) {
            this.feature = feature;
            this.gsoType = gsoType;
            this.six = six;
            this.protocol = protocol;
        }

        /** A complete frame of several segments. */
        byte[] frame(int flow, int moreTcpFlags) {
            return NetFrames.ip(six, protocol, flow, NetFrames.TCP_ACK | moreTcpFlags, NetFrames.bytes(PAYLOAD, flow));
        }
    }

    /** Whether the frames are the payload of one, whole or in segments, with sound checksums. */
    private static String problem(List<NetPacket> passed, byte[] frame) {
        ByteArrayOutputStream payload = new ByteArrayOutputStream();
        for (NetPacket packet : passed) {
            byte[] piece = packet.finished();
            if (piece == null) {
                return "csum_start points out of the " + packet;
            }
            if (piece.length < NetFrames.payloadAt(frame)) {
                return "a piece of " + piece.length + " bytes";
            }
            String problem = NetFrames.problem(piece);
            if (problem != null) {
                return problem;
            }
            if (!packet.isSegmented() && NetFrames.payload(piece).length > SEGMENT) {
                return "a segment with a payload of " + NetFrames.payload(piece).length + " bytes";
            }
            payload.writeBytes(NetFrames.payload(piece));
        }
        return Arrays.equals(payload.toByteArray(), NetFrames.payload(frame))
                ? null
                : passed.size() + " pieces do not make up the payload";
    }

    @Check(
            id = "net.transmit-tunnel",
            clauses = {"NET-TX-DEV-08", "NET-TX-DEV-10", "NET-TX-DEV-11"},
            scope = Scope.FITTING)
    public void tunnel(Bench bench) throws IOException {
        bench.about("NET-TX-DEV-08");
        NetSession net = NetSession.start(bench);
        NetPacket packet = NetFrames.unsegmented(Kind.TCP4.frame(1, 0), GSO_TCPV4, SEGMENT);
        refuses(bench, net, packet.withGso(GSO_TCPV4 | GSO_TUNNEL4 | GSO_TUNNEL6));
        bench.about("NET-TX-DEV-10");
        NetPacket small = NetFrames.partial(NetFrames.ip(false, NetFrames.TCP, 1, 0, NetFrames.bytes(80, 3)));
        for (int tunnel : new int[] {GSO_TUNNEL4, GSO_TUNNEL6}) {
            refuses(bench, net, packet.withGso(GSO_TCPV4 | tunnel).withFlags(0));
            refuses(bench, net, packet.withGso(GSO_TCPV4 | tunnel).withFlags(NEEDS_CSUM | DATA_VALID));
            refuses(bench, net, small.withGso(GSO_NONE | tunnel));
        }
        bench.about("NET-TX-DEV-11");
        refuses(bench, net, small.withFlags(NEEDS_CSUM | UDP_TUNNEL_CSUM));
    }

    private static void refuses(Bench bench, NetSession net, NetPacket packet) throws IOException {
        bench.that(net.pass(packet).isEmpty(), "this was sent on: " + packet);
    }

    @Check(id = "net.transmit-mtu", clauses = "NET-CONFIG-DEV-06", scope = Scope.FITTING)
    public void mtu(Bench bench) throws IOException {
        bench.about("NET-CONFIG-DEV-06");
        int longest = NetReceiveChecks.mtu(bench) + NetFrames.ETHERNET;
        NetSession net = NetSession.start(bench, 1, 4, longest + 64);
        for (int length : new int[] {60, longest / 2, longest - 1, longest}) {
            byte[] frame = net.frame(NetFrames.BROADCAST, Math.max(60, length));
            bench.that(
                    passesUnchanged(net, complete(frame)),
                    "a frame of " + frame.length + " bytes does not leave the device in one piece");
        }
    }
}
