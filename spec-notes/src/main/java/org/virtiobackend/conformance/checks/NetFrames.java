package org.virtiobackend.conformance.checks;

import java.util.Arrays;

/** Ethernet frames, made byte by byte, and what there is to know about them. Shares no code with the device. */
final class NetFrames {
    static final byte[] BROADCAST = mac(0xff, 0xff, 0xff, 0xff, 0xff, 0xff);
    /** Unicast, and not the device's. */
    static final byte[] STRANGER = mac(0x02, 0, 0, 0x77, 0, 1);

    static final byte[] GROUP = mac(0x01, 0, 0x5e, 0x01, 0x02, 0x03);
    /** Source of every frame of the checks, by which they know them. */
    static final byte[] SENDER = mac(0x02, 0, 0, 0x77, 0, 2);

    static final int MAC_BYTES = 6;
    static final int ETHERNET = 14;
    static final int TYPE_EXPERIMENT = 0x88b5;
    static final int TYPE_ARP = 0x0806;
    static final int TYPE_IPV4 = 0x0800;
    static final int TYPE_IPV6 = 0x86dd;
    static final int TYPE_VLAN = 0x8100;
    static final int TCP = 6;
    static final int UDP = 17;
    static final int TCP_ACK = 0x10;
    static final int TCP_CWR = 0x80;

    private static final int IPV4 = 20;
    private static final int IPV6 = 40;
    private static final int TCP_HEADER = 20;
    private static final int UDP_HEADER = 8;
    private static final int VXLAN_PORT = 4789;
    private static final int LOW_FLOW = 1024;

    private NetFrames() {}

    private static byte[] mac(int... bytes) {
        byte[] mac = new byte[MAC_BYTES];
        for (int i = 0; i < MAC_BYTES; i++) {
            mac[i] = (byte) bytes[i];
        }
        return mac;
    }

    /** A frame of no protocol, at least 60 bytes, that tells itself from others by its number. */
    static byte[] plain(byte[] to, int length, int number) {
        byte[] frame = ethernet(to, TYPE_EXPERIMENT, length - ETHERNET);
        fill(frame, ETHERNET, number);
        put16(frame, ETHERNET, number >>> 16);
        put16(frame, ETHERNET + 2, number);
        return frame;
    }

    /** A frame of IP's family without IP in it. */
    static byte[] arp(int number) {
        byte[] frame = ethernet(BROADCAST, TYPE_ARP, 46);
        byte[] body = {0, 1, 8, 0, 6, 4, 0, 1};
        System.arraycopy(body, 0, frame, ETHERNET, body.length);
        System.arraycopy(SENDER, 0, frame, ETHERNET + 8, MAC_BYTES);
        put16(frame, ETHERNET + 26, number);
        return frame;
    }

    static byte[] tagged(int vlan, byte[] frame) {
        byte[] tagged = new byte[frame.length + 4];
        System.arraycopy(frame, 0, tagged, 0, 2 * MAC_BYTES);
        put16(tagged, 12, TYPE_VLAN);
        put16(tagged, ETHERNET, vlan);
        System.arraycopy(frame, 12, tagged, 16, frame.length - 12);
        return tagged;
    }

    /** TCP or UDP over IPv4 or IPv6 to everybody, with all checksums; {@code flow} makes the source port. */
    static byte[] ip(boolean six, int protocol, int flow, int tcpFlags, byte[] payload) {
        int header = protocol == TCP ? TCP_HEADER : UDP_HEADER;
        int transport = transportAt(six);
        byte[] frame = ethernet(BROADCAST, six ? TYPE_IPV6 : TYPE_IPV4, transport - ETHERNET + header + payload.length);
        int length = frame.length - transport;
        if (six) {
            frame[ETHERNET] = 0x60;
            put16(frame, ETHERNET + 4, length);
            frame[ETHERNET + 6] = (byte) protocol;
            frame[ETHERNET + 7] = 64;
            address6(frame, ETHERNET + 8, 1);
            address6(frame, ETHERNET + 24, 2);
        } else {
            frame[ETHERNET] = 0x45;
            put16(frame, ETHERNET + 2, IPV4 + length);
            frame[ETHERNET + 6] = 0x40; // not to be fragmented
            frame[ETHERNET + 8] = 64;
            frame[ETHERNET + 9] = (byte) protocol;
            address4(frame, ETHERNET + 12, 1);
            address4(frame, ETHERNET + 16, 2);
            put16(frame, ETHERNET + 10, finish(sum(frame, ETHERNET, ETHERNET + IPV4, 0)));
        }
        put16(frame, transport, LOW_FLOW + flow);
        put16(frame, transport + 2, 9);
        if (protocol == TCP) {
            put16(frame, transport + 6, 1);
            frame[transport + 12] = 0x50;
            frame[transport + 13] = (byte) tcpFlags;
            put16(frame, transport + 14, 0x1000);
        } else {
            put16(frame, transport + 4, length);
        }
        System.arraycopy(payload, 0, frame, transport + header, payload.length);
        put16(frame, transport + checksumOffset(protocol), finish(transportSum(frame, transport, protocol)));
        return frame;
    }

    /** The frame in a UDP tunnel over IPv4. */
    static byte[] vxlan(byte[] inner) {
        byte[] payload = new byte[8 + inner.length];
        payload[0] = 8;
        payload[6] = 1;
        System.arraycopy(inner, 0, payload, 8, inner.length);
        byte[] frame = ip(false, UDP, 0, 0, payload);
        int transport = transportAt(false);
        put16(frame, transport + 2, VXLAN_PORT);
        put16(frame, transport + 6, 0);
        put16(frame, transport + 6, finish(transportSum(frame, transport, UDP)));
        return frame;
    }

    /** The packet that leaves the transport checksum of an {@link #ip} frame to the device. */
    static NetPacket partial(byte[] frame) {
        boolean six = type(frame) == TYPE_IPV6;
        int transport = transportAt(six);
        int protocol = protocol(frame);
        byte[] undone = frame.clone();
        put16(undone, transport + checksumOffset(protocol), fold(pseudoSum(frame, transport, protocol)));
        return new NetPacket(
                NetPacket.NEEDS_CSUM, NetPacket.GSO_NONE, 0, 0, transport, checksumOffset(protocol), undone);
    }

    /** The packet that also leaves an {@link #ip} frame in one piece. */
    static NetPacket unsegmented(byte[] frame, int gsoType, int gsoSize) {
        NetPacket partial = partial(frame);
        return new NetPacket(
                partial.flags(),
                gsoType,
                payloadAt(frame),
                gsoSize,
                partial.csumStart(),
                partial.csumOffset(),
                partial.frame());
    }

    /** What is wrong with the checksums of a frame, or null; frames without IP have none. */
    static String problem(byte[] frame) {
        String problem = headerProblem(frame);
        if (problem != null || type(frame) != TYPE_IPV4 && type(frame) != TYPE_IPV6) {
            return problem;
        }
        int transport = transportAt(type(frame) == TYPE_IPV6);
        int protocol = protocol(frame);
        boolean good = fold(transportSum(frame, transport, protocol)) == 0xffff;
        return good ? null : "the checksum of " + (protocol == TCP ? "TCP" : "UDP") + " is wrong";
    }

    /** The same for the headers before TCP or UDP. */
    static String headerProblem(byte[] frame) {
        boolean wrong = type(frame) == TYPE_IPV4 && fold(sum(frame, ETHERNET, ETHERNET + IPV4, 0)) != 0xffff;
        return wrong ? "the checksum of the IPv4 header is wrong" : null;
    }

    /** What the checksum field holds when the rest is left to the receiver. */
    static int pseudoSum(byte[] frame) {
        int transport = transportAt(type(frame) == TYPE_IPV6);
        return fold(pseudoSum(frame, transport, protocol(frame)));
    }

    /** Whether it is in a UDP tunnel as {@link #vxlan} makes it. */
    static boolean isTunnel(byte[] frame) {
        return type(frame) == TYPE_IPV4 && protocol(frame) == UDP && get16(frame, transportAt(false) + 2) == VXLAN_PORT;
    }

    static byte[] payload(byte[] frame) {
        return Arrays.copyOfRange(frame, payloadAt(frame), frame.length);
    }

    /** Bytes of all headers of an {@link #ip} frame. */
    static int payloadAt(byte[] frame) {
        return transportAt(type(frame) == TYPE_IPV6) + (protocol(frame) == TCP ? TCP_HEADER : UDP_HEADER);
    }

    static int tcpFlags(byte[] frame) {
        return frame[transportAt(type(frame) == TYPE_IPV6) + 13] & 0xff;
    }

    static int type(byte[] frame) {
        return get16(frame, 12);
    }

    static int protocol(byte[] frame) {
        return frame[type(frame) == TYPE_IPV6 ? ETHERNET + 6 : ETHERNET + 9];
    }

    /** Whether a check made it. */
    static boolean isOurs(byte[] frame) {
        return frame.length >= ETHERNET && Arrays.equals(frame, MAC_BYTES, 2 * MAC_BYTES, SENDER, 0, MAC_BYTES);
    }

    /** Bytes that look random and are the same every time. */
    static byte[] bytes(int length, int seed) {
        byte[] bytes = new byte[length];
        fill(bytes, 0, seed);
        return bytes;
    }

    static int transportAt(boolean six) {
        return ETHERNET + (six ? IPV6 : IPV4);
    }

    static int get16(byte[] bytes, int at) {
        return (bytes[at] & 0xff) << 8 | bytes[at + 1] & 0xff;
    }

    static void put16(byte[] bytes, int at, int value) {
        bytes[at] = (byte) (value >>> 8);
        bytes[at + 1] = (byte) value;
    }

    /** Sum of 16-bit numbers, not folded. */
    static long sum(byte[] bytes, int from, int to, long start) {
        long sum = start;
        for (int at = from; at < to; at++) {
            sum += (bytes[at] & 0xffL) << ((at - from) % 2 == 0 ? 8 : 0);
        }
        return sum;
    }

    static int fold(long sum) {
        long folded = sum;
        while (folded >>> 16 != 0) {
            folded = (folded & 0xffff) + (folded >>> 16);
        }
        return (int) folded;
    }

    /** The checksum for a sum. */
    static int finish(long sum) {
        int checksum = ~fold(sum) & 0xffff;
        return checksum == 0 ? 0xffff : checksum;
    }

    private static long transportSum(byte[] frame, int transport, int protocol) {
        return sum(frame, transport, frame.length, pseudoSum(frame, transport, protocol));
    }

    private static long pseudoSum(byte[] frame, int transport, int protocol) {
        int addresses = type(frame) == TYPE_IPV6 ? ETHERNET + 8 : ETHERNET + 12;
        return sum(frame, addresses, transport, 0) + protocol + frame.length - transport;
    }

    private static int checksumOffset(int protocol) {
        return protocol == TCP ? 16 : 6;
    }

    private static byte[] ethernet(byte[] to, int type, int payload) {
        byte[] frame = new byte[ETHERNET + payload];
        System.arraycopy(to, 0, frame, 0, MAC_BYTES);
        System.arraycopy(SENDER, 0, frame, MAC_BYTES, MAC_BYTES);
        put16(frame, 12, type);
        return frame;
    }

    private static void fill(byte[] bytes, int from, int seed) {
        for (int at = from; at < bytes.length; at++) {
            bytes[at] = (byte) ((at + seed) * 31 >>> 2);
        }
    }

    private static void address4(byte[] frame, int at, int host) {
        byte[] documentation = {(byte) 192, 0, 2, (byte) host};
        System.arraycopy(documentation, 0, frame, at, 4);
    }

    private static void address6(byte[] frame, int at, int host) {
        byte[] documentation = {0x20, 0x01, 0x0d, (byte) 0xb8};
        System.arraycopy(documentation, 0, frame, at, 4);
        frame[at + 15] = (byte) host;
    }
}
