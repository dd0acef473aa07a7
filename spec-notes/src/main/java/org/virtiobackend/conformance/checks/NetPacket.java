package org.virtiobackend.conformance.checks;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A frame with the header that goes before it (virtio 1.4 5.1.9). Immutable, as long as nobody changes the array.
 *
 * @param frame whole Ethernet frame
 */
record NetPacket(int flags, int gsoType, int hdrLen, int gsoSize, int csumStart, int csumOffset, byte[] frame) {
    static final int NEEDS_CSUM = 1;
    static final int DATA_VALID = 2;
    static final int RSC_INFO = 4;
    static final int UDP_TUNNEL_CSUM = 8;

    static final int GSO_NONE = 0;
    static final int GSO_TCPV4 = 1;
    static final int GSO_UDP = 3;
    static final int GSO_TCPV6 = 4;
    static final int GSO_UDP_L4 = 5;
    static final int GSO_TUNNEL4 = 0x20;
    static final int GSO_TUNNEL6 = 0x40;
    static final int GSO_ECN = 0x80;

    /** Bytes without the hash. */
    static final int HEADER_BYTES = 12;

    /** Nothing is left undone. */
    static NetPacket complete(byte[] frame) {
        return new NetPacket(0, GSO_NONE, 0, 0, 0, 0, frame);
    }

    static NetPacket read(byte[] header, byte[] frame) {
        ByteBuffer in = ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN);
        return new NetPacket(in.get() & 0xff, in.get() & 0xff, u16(in), u16(in), u16(in), u16(in), frame);
    }

    private static int u16(ByteBuffer in) {
        return in.getShort() & 0xffff;
    }

    /** The header; num_buffers is 0, as drivers have it. */
    byte[] header(int bytes) {
        return ByteBuffer.allocate(bytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) flags)
                .put((byte) gsoType)
                .putShort((short) hdrLen)
                .putShort((short) gsoSize)
                .putShort((short) csumStart)
                .putShort((short) csumOffset)
                .array();
    }

    NetPacket withFlags(int newFlags) {
        return new NetPacket(newFlags, gsoType, hdrLen, gsoSize, csumStart, csumOffset, frame);
    }

    NetPacket withGso(int newType) {
        return new NetPacket(flags, newType, hdrLen, gsoSize, csumStart, csumOffset, frame);
    }

    NetPacket withHdrLen(int newHdrLen) {
        return new NetPacket(flags, gsoType, newHdrLen, gsoSize, csumStart, csumOffset, frame);
    }

    NetPacket withChecksumAt(int start, int offset) {
        return new NetPacket(flags, gsoType, hdrLen, gsoSize, start, offset, frame);
    }

    boolean has(int flag) {
        return (flags & flag) != 0;
    }

    boolean isSegmented() {
        return gsoType != GSO_NONE;
    }

    /** gso_type without the bits that can come with it. */
    int gsoKind() {
        return gsoType & ~(GSO_ECN | GSO_TUNNEL4 | GSO_TUNNEL6);
    }

    /** The frame with the checksum that was left to whoever gets it; null when the fields point out of it. */
    byte[] finished() {
        if (!has(NEEDS_CSUM)) {
            return frame;
        }
        int at = csumStart + csumOffset;
        if (at + 2 > frame.length) {
            return null;
        }
        byte[] whole = frame.clone();
        NetFrames.put16(whole, at, NetFrames.finish(NetFrames.sum(frame, csumStart, frame.length, 0)));
        return whole;
    }

    @Override
    public String toString() {
        return "frame of " + frame.length + " bytes, flags " + flags + ", gso_type " + gsoType + ", hdr_len " + hdrLen
                + ", gso_size " + gsoSize + ", csum_start " + csumStart + ", csum_offset " + csumOffset;
    }
}
