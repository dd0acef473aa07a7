package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Builds and checks frames with arithmetic of its own, independent of the device's. */
public final class Packets {
    private Packets() {}

    /** @param source as in a frame */
    public static byte[] ethernet(long destination, long source, int type, byte[] payload) {
        ByteBuffer frame = ByteBuffer.allocate(14 + payload.length);
        frame.putLong(0, destination << 16);
        frame.putShort(6, (short) (source >>> 32)).putInt(8, (int) source);
        frame.putShort(12, (short) type);
        frame.put(14, payload);
        return frame.array();
    }

    /** A request of IPv4 address resolution. */
    public static byte[] arpRequest(long mac, byte[] from, byte[] to) {
        ByteBuffer arp = ByteBuffer.allocate(28);
        arp.putShort((short) 1)
                .putShort((short) 0x0800)
                .put((byte) 6)
                .put((byte) 4)
                .putShort((short) 1);
        arp.putShort((short) (mac >>> 32))
                .putInt((int) mac)
                .put(from)
                .put(new byte[6])
                .put(to);
        return ethernet(0xffff_ffff_ffffL, mac, 0x0806, arp.array());
    }

    /** An IPv4 packet with a header of 20 bytes, its checksum right. */
    public static byte[] ipv4(byte[] from, byte[] to, int protocol, byte[] payload) {
        ByteBuffer packet = ByteBuffer.allocate(20 + payload.length);
        packet.put((byte) 0x45)
                .put((byte) 0)
                .putShort((short) (20 + payload.length))
                .putShort((short) 0x1234);
        packet.putShort((short) 0x4000)
                .put((byte) 64)
                .put((byte) protocol)
                .putShort((short) 0)
                .put(from)
                .put(to);
        packet.putShort(10, (short) checksum(packet.array(), 0, 20, 0));
        packet.put(payload);
        return packet.array();
    }

    public static byte[] ipv6(byte[] from, byte[] to, int protocol, byte[] payload) {
        ByteBuffer packet = ByteBuffer.allocate(40 + payload.length);
        packet.putInt(0x6000_0000)
                .putShort((short) payload.length)
                .put((byte) protocol)
                .put((byte) 64);
        packet.put(from).put(to).put(payload);
        return packet.array();
    }

    /** A UDP datagram; its checksum is partial (the pseudo header's) or complete. */
    public static byte[] udp(byte[] from, byte[] to, int fromPort, int toPort, byte[] payload, boolean partial) {
        ByteBuffer datagram = ByteBuffer.allocate(8 + payload.length);
        datagram.putShort((short) fromPort).putShort((short) toPort).putShort((short) (8 + payload.length));
        datagram.putShort((short) 0).put(payload);
        setChecksum(datagram, 6, from, to, 17, partial);
        return datagram.array();
    }

    /**
     * A header and a frame for {@link NetFixture#MAC} with that much payload, to be cut into TCP segments of 1000 bytes.
     *
     * @param hashBytes of the header
     */
    public static byte[] tcpToCut(int hashBytes, int fromPort, int payload) {
        byte[] from = {10, 0, 0, 1};
        byte[] to = {10, 0, 0, 2};
        byte[] tcp = tcp(from, to, new int[] {fromPort, 53}, 0, 0x10, new byte[payload], true);
        return NetFixture.concat(
                NetFixture.header(1, 1, 54, 1000, 34, 16),
                new byte[hashBytes],
                ethernet(NetFixture.MAC, 2, 0x0800, ipv4(from, to, 6, tcp)));
    }

    /** A TCP segment with a header of 20 bytes. */
    public static byte[] tcp(
            byte[] from, byte[] to, int[] ports, long sequence, int flags, byte[] payload, boolean partial) {
        ByteBuffer segment = ByteBuffer.allocate(20 + payload.length);
        segment.putShort((short) ports[0])
                .putShort((short) ports[1])
                .putInt((int) sequence)
                .putInt(0x01020304);
        segment.putShort((short) (0x5000 | flags))
                .putShort((short) 0x2000)
                .putInt(0)
                .put(payload);
        setChecksum(segment, 16, from, to, 6, partial);
        return segment.array();
    }

    private static void setChecksum(ByteBuffer data, int at, byte[] from, byte[] to, int protocol, boolean partial) {
        long pseudo = pseudoSum(from, to, protocol, data.capacity());
        int sum = partial ? fold(pseudo) : checksum(data.array(), 0, data.capacity(), pseudo);
        data.putShort(at, (short) (sum == 0 && !partial && protocol == 17 ? 0xffff : sum));
    }

    public static long pseudoSum(byte[] from, byte[] to, int protocol, int length) {
        return sum(from, 0, from.length) + sum(to, 0, to.length) + protocol + length;
    }

    public static int checksum(byte[] bytes, int from, int to, long start) {
        return ~fold(start + sum(bytes, from, to)) & 0xffff;
    }

    private static long sum(byte[] bytes, int from, int to) {
        long sum = 0;
        for (int i = from; i < to; i++) {
            sum += (bytes[i] & 0xffL) << ((i - from) % 2 == 0 ? 8 : 0);
        }
        return sum;
    }

    private static int fold(long sum) {
        long folded = sum;
        while (folded > 0xffff) {
            folded = (folded & 0xffff) + (folded >>> 16);
        }
        return (int) folded;
    }

    public static int u16(byte[] bytes, int at) {
        return (bytes[at] & 0xff) << 8 | bytes[at + 1] & 0xff;
    }

    /** Whether the transport checksum of an untagged IPv4 frame is right, and that of its header too. */
    public static boolean ipv4ChecksumsAreRight(byte[] frame) {
        int length = u16(frame, 16);
        byte[] from = Arrays.copyOfRange(frame, 26, 30);
        byte[] to = Arrays.copyOfRange(frame, 30, 34);
        return checksum(frame, 14, 34, 0) == 0
                && checksum(frame, 34, 14 + length, pseudoSum(from, to, frame[23], length - 20)) == 0;
    }

    public static boolean ipv6ChecksumIsRight(byte[] frame) {
        int length = u16(frame, 18);
        byte[] from = Arrays.copyOfRange(frame, 22, 38);
        byte[] to = Arrays.copyOfRange(frame, 38, 54);
        return checksum(frame, 54, 54 + length, pseudoSum(from, to, frame[20], length)) == 0;
    }
}
