package org.virtiobackend.devices.net.packet;

import static org.virtiobackend.devices.net.packet.VnetHeader.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Does in software what a frame's header asks for: completes the checksum, and cuts TCP and UDP that is longer than a packet, as
 * the kernel does (virtio 1.4 5.1.9.2). The frame lies in private memory, which is changed. One thread; allocates nothing.
 */
public final class Segmenter {
    /** The offloads that are done here: everything but the fragmentation of UDP. */
    public static final int OFFLOADS =
            Offload.CSUM | Offload.TSO4 | Offload.TSO6 | Offload.ECN | Offload.USO4 | Offload.USO6;

    /** Bytes of headers before TCP or UDP in a frame that is cut: each piece has a copy. */
    private static final int MAX_HEADERS = 512;

    private static final int IPV4_HEADER = 20;
    private static final int IPV6_HEADER = 40;
    private static final int TCP_HEADER = 20;
    private static final int MAX_TCP_HEADER = 60;
    private static final int TCP_SEQUENCE = 4;
    private static final int TCP_DATA_OFFSET = 12;
    private static final int TCP_FLAGS = 13;
    private static final int TCP_CHECKSUM = 16;
    private static final int UDP_HEADER = 8;
    private static final int UDP_LENGTH = 4;
    private static final int UDP_CHECKSUM = 6;
    private static final int TCP_FIN_PSH = 0x09;
    private static final int TCP_CWR = 0x80;
    private static final int IPV4_CHECKSUM = 10;

    private final ByteBuffer out = ByteBuffer.allocateDirect(Ethernet.MAX_FRAME_BYTES); // network byte order
    private final ByteBuffer head = ByteBuffer.allocateDirect(MAX_HEADERS + MAX_TCP_HEADER);

    private ByteBuffer bytes;
    private int offset;
    private int length;
    private int csumStart;
    private int csumOffset;
    private int gsoSize;
    private boolean tcp;
    private boolean ipv6;
    private int networkAt;
    private int headerLength;
    /** Bytes of payload that are in segments already; -1 when the frame is done. */
    private int done = -1;

    private int segments;
    private int identification;
    private int partialSum;

    /**
     * Takes a frame on, whose memory stays untouched by others until {@link #next} has returned false.
     *
     * @return false when it is not what its header says
     */
    public boolean begin(Frame frame) {
        VnetHeader header = frame.header();
        bytes = frame.bytes();
        offset = frame.offset();
        length = frame.length();
        csumStart = header.csumStart();
        csumOffset = header.csumOffset();
        gsoSize = header.gsoSize();
        segments = 0;
        done = -1;
        if (!Offload.allows(OFFLOADS, header.undone())) {
            return false;
        }
        if (header.needsChecksum() && csumStart + csumOffset + 2 > length) {
            return false;
        }
        boolean sound = !header.isSegmented() || header.needsChecksum() && parse(header.gsoKind());
        if (sound && !header.isSegmented()) {
            gsoSize = 0;
            csumStart = header.needsChecksum() ? csumStart : -1;
        }
        done = sound ? 0 : -1;
        return sound;
    }

    /** Gives the next piece, complete in itself and valid until the next call; false when there is none left. */
    public boolean next(Frame piece) {
        if (done < 0) {
            return false;
        }
        piece.header().clear();
        if (gsoSize == 0) {
            completeChecksum();
            piece.set(bytes, offset, length);
            done = -1;
            return true;
        }
        int payload = length - headerLength;
        int part = Math.min(gsoSize, payload - done);
        boolean last = done + part == payload;
        out.put(0, head, 0, headerLength);
        out.put(headerLength, bytes, offset + headerLength + done, part);
        fixNetworkHeader(headerLength + part - networkAt);
        if (tcp) {
            fixTcp(part, last);
        } else {
            fixUdp(part);
        }
        piece.set(out, 0, headerLength + part);
        segments++;
        done = last ? -1 : done + part;
        return true;
    }

    private void completeChecksum() {
        if (csumStart < 0) {
            return;
        }
        int sum = InternetChecksum.finish(InternetChecksum.sum(bytes, offset + csumStart, length - csumStart));
        putNetworkShort(bytes, offset + csumStart + csumOffset, sum);
    }

    /** Finds the headers, and copies them, as the payload is all that is taken from the frame afterwards. */
    private boolean parse(int kind) {
        if (csumStart > MAX_HEADERS) {
            return false;
        }
        head.put(0, bytes, offset, Math.min(length, csumStart + MAX_TCP_HEADER));
        tcp = kind != VIRTIO_NET_HDR_GSO_UDP_L4;
        networkAt = Ethernet.HEADER_BYTES;
        int type = head.getShort(Ethernet.TYPE_AT) & 0xffff;
        while (Ethernet.isTag(type) && networkAt + Ethernet.TAG_BYTES < csumStart) {
            type = head.getShort(networkAt + 2) & 0xffff;
            networkAt += Ethernet.TAG_BYTES;
        }
        ipv6 = type == Ethernet.TYPE_IPV6;
        boolean rightType = ipv6
                ? kind != VIRTIO_NET_HDR_GSO_TCPV4
                : type == Ethernet.TYPE_IPV4 && kind != VIRTIO_NET_HDR_GSO_TCPV6;
        int shortest = networkAt + (ipv6 ? IPV6_HEADER : IPV4_HEADER);
        if (!rightType || csumStart < shortest || csumOffset != (tcp ? TCP_CHECKSUM : UDP_CHECKSUM)) {
            return false;
        }
        if (!ipv6 && csumStart != networkAt + 4 * (head.get(networkAt) & 0xf)) {
            return false;
        }
        return parseTransport();
    }

    private boolean parseTransport() {
        int transport = tcp ? TCP_HEADER : UDP_HEADER;
        if (csumStart + transport >= length || gsoSize == 0) {
            return false;
        }
        if (tcp) {
            transport = (head.get(csumStart + TCP_DATA_OFFSET) >>> 4 & 0xf) * 4;
        }
        headerLength = csumStart + transport;
        if (transport < (tcp ? TCP_HEADER : UDP_HEADER) || headerLength >= length) {
            return false;
        }
        identification = ipv6 ? 0 : head.getShort(networkAt + 4);
        partialSum = head.getShort(csumStart + csumOffset) & 0xffff;
        head.putShort(csumStart + csumOffset, (short) 0);
        return true;
    }

    private void fixNetworkHeader(int packetLength) {
        if (ipv6) {
            out.putShort(networkAt + 4, (short) (packetLength - IPV6_HEADER));
            return;
        }
        out.putShort(networkAt + 2, (short) packetLength);
        out.putShort(networkAt + 4, (short) (identification + segments));
        out.putShort(networkAt + IPV4_CHECKSUM, (short) 0);
        int sum = InternetChecksum.sum(out, networkAt, csumStart - networkAt);
        out.putShort(networkAt + IPV4_CHECKSUM, (short) ~sum);
    }

    private void fixTcp(int part, boolean last) {
        out.putInt(csumStart + TCP_SEQUENCE, head.getInt(csumStart + TCP_SEQUENCE) + done);
        int flags = out.get(csumStart + TCP_FLAGS);
        if (!last) {
            flags &= ~TCP_FIN_PSH;
        }
        if (segments > 0) {
            flags &= ~TCP_CWR;
        }
        out.put(csumStart + TCP_FLAGS, (byte) flags);
        fixChecksum(part);
    }

    private void fixUdp(int part) {
        out.putShort(csumStart + UDP_LENGTH, (short) (UDP_HEADER + part));
        fixChecksum(part);
    }

    /** The field had the sum of the pseudo header for the whole length: the length is exchanged. */
    private void fixChecksum(int part) {
        int wholeLength = length - csumStart;
        int transportLength = headerLength - csumStart + part;
        long pseudo = partialSum + (~InternetChecksum.fold(wholeLength) & 0xffff) + transportLength;
        long sum = pseudo + InternetChecksum.sum(out, csumStart, transportLength);
        out.putShort(csumStart + csumOffset, (short) InternetChecksum.finish(sum));
    }

    private static void putNetworkShort(ByteBuffer target, int at, int value) {
        boolean little = target.order() == ByteOrder.LITTLE_ENDIAN;
        target.putShort(at, little ? Short.reverseBytes((short) value) : (short) value);
    }
}
