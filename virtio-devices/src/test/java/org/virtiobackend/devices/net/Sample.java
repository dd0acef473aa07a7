package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;

/** Frames that leave something undone, and what they look like when it is done. */
public enum Sample {
    TCP4(1, 1460, 34, 16, 20, 5000),
    TCP4_ECN(0x81, 1000, 34, 16, 20, 3001),
    TCP4_VLAN(1, 1456, 38, 16, 20, 4000),
    TCP6(4, 1440, 54, 16, 20, 4321),
    UDP4(5, 1200, 34, 6, 8, 4800),
    UDP6(5, 1111, 54, 6, 8, 3001),
    CHECKSUM_TCP4(0, 0, 34, 16, 20, 999),
    CHECKSUM_UDP6(0, 0, 54, 6, 8, 1000);

    /** Who frames are for: nobody that exists. */
    public static final long DESTINATION = 0x0200_0000_0099L;

    private static final byte[] FROM4 = {10, 0, 0, 1};
    private static final byte[] TO4 = {10, 0, 0, 2};
    private static final int VLAN = 7;

    private final int gsoType;
    private final int gsoSize;
    private final int csumStart;
    private final int csumOffset;
    private final int transportBytes;
    private final int payloadBytes;

    Sample(int gsoType, int gsoSize, int csumStart, int csumOffset, int transportBytes, int payloadBytes) {
        this.gsoType = gsoType;
        this.gsoSize = gsoSize;
        this.csumStart = csumStart;
        this.csumOffset = csumOffset;
        this.transportBytes = transportBytes;
        this.payloadBytes = payloadBytes;
    }

    public int headerBytes() {
        return csumStart + transportBytes;
    }

    public int gsoSize() {
        return gsoSize;
    }

    public int pieces() {
        return gsoSize == 0 ? 1 : (payloadBytes + gsoSize - 1) / gsoSize;
    }

    /** The virtio header. */
    public byte[] header() {
        return NetFixture.header(1, gsoType, gsoSize == 0 ? 0 : headerBytes(), gsoSize, csumStart, csumOffset);
    }

    /** The frame, its checksum partial. */
    public byte[] frame() {
        byte[] payload = new byte[payloadBytes];
        for (int i = 0; i < payload.length; i++) {
            payload[i] = (byte) (i * 7 + i / 256);
        }
        boolean ipv6 = isIpv6();
        byte[] from = ipv6 ? address6(1) : FROM4;
        byte[] to = ipv6 ? address6(2) : TO4;
        int flags = gsoType == 0x81 ? 0x99 : 0x19; // ACK PSH FIN, and CWR
        byte[] transport = transportBytes == 20
                ? Packets.tcp(from, to, new int[] {1234, 80}, 0xffff_ff00L, flags, payload, true)
                : Packets.udp(from, to, 1234, 53, payload, true);
        int protocol = transportBytes == 20 ? 6 : 17;
        byte[] packet =
                ipv6 ? Packets.ipv6(from, to, protocol, transport) : Packets.ipv4(from, to, protocol, transport);
        if (!isTagged()) {
            return Packets.ethernet(DESTINATION, NetFixture.MAC, ipv6 ? 0x86dd : 0x0800, packet);
        }
        byte[] tagged = ByteBuffer.allocate(4 + packet.length)
                .putShort((short) VLAN)
                .putShort((short) 0x0800)
                .put(packet)
                .array();
        return Packets.ethernet(DESTINATION, NetFixture.MAC, 0x8100, tagged);
    }

    public boolean checksumsAreRight(byte[] piece) {
        byte[] plain = piece;
        if (isTagged()) {
            plain = new byte[piece.length - 4];
            System.arraycopy(piece, 0, plain, 0, 12);
            System.arraycopy(piece, 16, plain, 12, plain.length - 12);
        }
        return isIpv6() ? Packets.ipv6ChecksumIsRight(plain) : Packets.ipv4ChecksumsAreRight(plain);
    }

    private boolean isIpv6() {
        return csumStart == 54;
    }

    private boolean isTagged() {
        return csumStart == 38;
    }

    private static byte[] address6(int last) {
        return new byte[] {(byte) 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, (byte) last};
    }
}
