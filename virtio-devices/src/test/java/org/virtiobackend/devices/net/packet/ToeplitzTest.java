package org.virtiobackend.devices.net.packet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.devices.net.packet.FlowHash.*;

import java.net.InetAddress;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.devices.net.Packets;

/** The verification suite that Microsoft publishes for receive side scaling. */
class ToeplitzTest {
    private static final byte[] KEY =
            HexFormat.of().parseHex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");

    private final FlowHash hash = new FlowHash();
    private final Toeplitz toeplitz = new Toeplitz(KEY);

    @ParameterizedTest
    @CsvSource({
        "66.9.149.187, 2794, 161.142.100.80, 1766, 323e8fc2, 51ccc178",
        "199.92.111.2, 14230, 65.69.140.83, 4739, d718262a, c626b0ea",
        "24.19.198.95, 12898, 12.22.207.184, 38024, d2d0a5de, 5c2b394a",
        "38.27.205.30, 48228, 209.142.163.6, 2217, 82989176, afc7327f",
        "153.39.163.191, 44251, 202.188.127.2, 1303, 5d1809c5, 10e828a2",
        "3ffe:2501:200:1fff::7, 2794, 3ffe:2501:200:3::1, 1766, 2cc18cd5, 40207d3d",
        "3ffe:501:8::260:97ff:fe40:efab, 14230, ff02::1, 4739, 0f0c461c, dde51bbf",
        "3ffe:1900:4545:3:200:f8ff:fe21:67cf, 44251, fe80::200:f8ff:fe21:67cf, 38024, 4b61e985, 02d1feef",
    })
    void publishedVectors(String from, int fromPort, String to, int toPort, String addresses, String withPorts)
            throws Exception {
        byte[] source = InetAddress.getByName(from).getAddress();
        byte[] destination = InetAddress.getByName(to).getAddress();
        boolean ipv6 = source.length == 16;
        byte[] frame = tcpFrame(source, destination, fromPort, toPort);
        calculate(ALL_TYPES, frame);
        assertEquals(withPorts, HexFormat.of().toHexDigits(hash.value()));
        assertEquals(ipv6 ? 5 : 2, hash.report());
        calculate(ALL_TYPES & ~(VIRTIO_NET_HASH_TYPE_TCPv4 | VIRTIO_NET_HASH_TYPE_TCPv6), frame);
        assertEquals(addresses, HexFormat.of().toHexDigits(hash.value()));
        assertEquals(ipv6 ? 4 : 1, hash.report());
    }

    @Test
    void mostSpecificEnabledTypeCountsAndOthersLeaveTheFrameUnhashed() throws Exception {
        byte[] from = {10, 0, 0, 1};
        byte[] to = {10, 0, 0, 2};
        byte[] udp = Packets.ethernet(
                1, 2, 0x0800, Packets.ipv4(from, to, 17, Packets.udp(from, to, 5, 6, new byte[4], false)));
        assertReport(3, ALL_TYPES, udp);
        assertReport(1, VIRTIO_NET_HASH_TYPE_IPv4 | VIRTIO_NET_HASH_TYPE_TCPv4, udp);
        assertReport(0, VIRTIO_NET_HASH_TYPE_TCPv4 | VIRTIO_NET_HASH_TYPE_IPv6, udp);
        assertReport(0, ALL_TYPES, Packets.arpRequest(2, from, to));
        byte[] fragment = udp.clone();
        fragment[20] = 0x20; // more fragments: the ports of the others are not known
        assertReport(1, ALL_TYPES, fragment);
        assertReport(0, ALL_TYPES, new byte[] {1, 2, 3});
    }

    @Test
    void ipv6ExtensionsLeadToTheHomeAddressAndTheRoutingHeader() throws Exception {
        byte[] from = InetAddress.getByName("fd00::1").getAddress();
        byte[] to = InetAddress.getByName("fd00::2").getAddress();
        byte[] home = InetAddress.getByName("3ffe:2501:200:1fff::7").getAddress();
        byte[] route = InetAddress.getByName("3ffe:2501:200:3::1").getAddress();
        byte[] tcp = Packets.tcp(from, to, new int[] {2794, 1766}, 1, 0x10, new byte[0], false);
        ByteBuffer extensions = ByteBuffer.allocate(48 + tcp.length);
        extensions.put((byte) 60).put((byte) 2).put((byte) 2).put((byte) 0).putInt(1); // type 2 routing
        extensions.put(route);
        extensions.put((byte) 6).put((byte) 2).putShort((short) 0x0102).putShort((short) 0); // PadN, then two Pad1
        extensions.put((byte) 201).put((byte) 16).put(home).put(tcp);
        byte[] frame = Packets.ethernet(1, 2, 0x86dd, Packets.ipv6(from, to, 43, extensions.array()));
        calculate(ALL_TYPES, frame);
        assertEquals(8, hash.report());
        assertEquals("40207d3d", HexFormat.of().toHexDigits(hash.value()), "as without extensions, of those addresses");
        assertReport(7, ALL_TYPES & ~VIRTIO_NET_HASH_TYPE_TCP_EX, frame);
        assertReport(5, VIRTIO_NET_HASH_TYPE_TCPv6, frame);
        calculate(VIRTIO_NET_HASH_TYPE_TCPv6, frame);
        int plain = hash.value();
        calculate(VIRTIO_NET_HASH_TYPE_TCPv6, tcpFrame(from, to, 2794, 1766));
        assertEquals(hash.value(), plain, "extensions skipped");
    }

    @Test
    void anyBytesAreSurvived() {
        Random random = new Random(3);
        byte[] frame = new byte[128];
        for (int i = 0; i < 200_000; i++) {
            random.nextBytes(frame);
            int[] types = {0x0800, 0x86dd, 0x8100};
            int type = types[i % 3];
            frame[12] = (byte) (type >> 8);
            frame[13] = (byte) type;
            if (i % 2 == 0) {
                frame[20] = new byte[] {0, 43, 44, 60}[random.nextInt(4)];
            }
            hash.calculate(ALL_TYPES, toeplitz, ByteBuffer.wrap(frame), random.nextInt(129));
        }
    }

    private void assertReport(int report, int types, byte[] frame) {
        calculate(types, frame);
        assertEquals(report, hash.report());
    }

    private void calculate(int types, byte[] frame) {
        hash.calculate(types, toeplitz, ByteBuffer.wrap(frame), frame.length);
    }

    private static byte[] tcpFrame(byte[] from, byte[] to, int fromPort, int toPort) {
        byte[] tcp = Packets.tcp(from, to, new int[] {fromPort, toPort}, 1, 0x10, new byte[0], false);
        return from.length == 16
                ? Packets.ethernet(1, 2, 0x86dd, Packets.ipv6(from, to, 6, tcp))
                : Packets.ethernet(1, 2, 0x0800, Packets.ipv4(from, to, 6, tcp));
    }
}
