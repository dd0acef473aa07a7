package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;

/**
 * A private copy of {@code struct virtio_net_hdr} (virtio 1.4 5.1.9), the 12 bytes that every frame has. Fields are unsigned.
 *
 * <pre>
 *  0 u8   flags          4 le16 gso_size       10 le16 num_buffers
 *  1 u8   gso_type       6 le16 csum_start     12 le32 hash_value  (these only if
 *  2 le16 hdr_len        8 le16 csum_offset    16 le16 hash_report  VIRTIO_NET_F_HASH_REPORT)
 * </pre>
 */
public final class VnetHeader {
    public static final int VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
    public static final int VIRTIO_NET_HDR_F_DATA_VALID = 2;

    public static final int VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM = 8;

    public static final int VIRTIO_NET_HDR_GSO_NONE = 0;
    public static final int VIRTIO_NET_HDR_GSO_TCPV4 = 1;
    public static final int VIRTIO_NET_HDR_GSO_UDP = 3;
    public static final int VIRTIO_NET_HDR_GSO_TCPV6 = 4;
    public static final int VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
    public static final int VIRTIO_NET_HDR_GSO_ECN = 0x80;

    /** Bytes without the hash. */
    public static final int BYTES = 12;
    /** Bytes with the hash. */
    public static final int BYTES_WITH_HASH = 20;

    private int flags;
    private int gsoType;
    private int hdrLen;
    private int gsoSize;
    private int csumStart;
    private int csumOffset;

    /** Takes the fields from the first ten bytes as they are on the wire, two little-endian numbers. */
    public void set(long firstEight, int nextTwo) {
        flags = (int) firstEight & 0xff;
        gsoType = (int) (firstEight >>> 8) & 0xff;
        hdrLen = (int) (firstEight >>> 16) & 0xffff;
        gsoSize = (int) (firstEight >>> 32) & 0xffff;
        csumStart = (int) (firstEight >>> 48);
        csumOffset = nextTwo & 0xffff;
    }

    /** @param bytes little-endian, at least {@link #BYTES} from {@code at} */
    public void read(ByteBuffer bytes, int at) {
        set(bytes.getLong(at), bytes.getShort(at + 8));
    }

    /** Writes {@link #BYTES} bytes; {@code bytes} is little-endian. */
    public void write(ByteBuffer bytes, int at, int numBuffers) {
        bytes.putLong(at, flags | gsoType << 8 | (long) hdrLen << 16 | (long) gsoSize << 32 | (long) csumStart << 48);
        bytes.putInt(at + 8, csumOffset | numBuffers << 16);
    }

    public void set(VnetHeader other) {
        flags = other.flags;
        gsoType = other.gsoType;
        hdrLen = other.hdrLen;
        gsoSize = other.gsoSize;
        csumStart = other.csumStart;
        csumOffset = other.csumOffset;
    }

    /** A complete frame: nothing left to do for anybody. */
    public void clear() {
        set(0, 0);
    }

    /** Leaves NEEDS_CSUM and, if that is wanted, DATA_VALID; fields that then mean nothing become 0. */
    public void keepFlags(int mask) {
        flags &= mask;
        if (!needsChecksum()) {
            csumStart = 0;
            csumOffset = 0;
        }
    }

    /** Makes a hint that cannot be true one that can. */
    public void limitHdrLen(int length) {
        hdrLen = Math.min(hdrLen, length);
    }

    public int flags() {
        return flags;
    }

    public boolean needsChecksum() {
        return (flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
    }

    /** Kind of segmentation without the ECN bit. */
    public int gsoKind() {
        return gsoType & ~VIRTIO_NET_HDR_GSO_ECN;
    }

    public boolean gsoHasEcn() {
        return (gsoType & VIRTIO_NET_HDR_GSO_ECN) != 0;
    }

    public boolean isSegmented() {
        return gsoType != VIRTIO_NET_HDR_GSO_NONE;
    }

    /** What this header leaves undone, as {@link Offload} bits; -1 for a kind of segmentation that does not exist. */
    public int undone() {
        int bits = needsChecksum() ? Offload.CSUM : 0;
        if (gsoHasEcn()) {
            bits |= Offload.ECN;
        }
        return switch (gsoKind()) {
            case VIRTIO_NET_HDR_GSO_NONE -> gsoHasEcn() ? -1 : bits;
            case VIRTIO_NET_HDR_GSO_TCPV4 -> bits | Offload.TSO4;
            case VIRTIO_NET_HDR_GSO_TCPV6 -> bits | Offload.TSO6;
            case VIRTIO_NET_HDR_GSO_UDP -> gsoHasEcn() ? -1 : bits | Offload.UFO;
            case VIRTIO_NET_HDR_GSO_UDP_L4 -> gsoHasEcn() ? -1 : bits | Offload.USO4 | Offload.USO6;
            default -> -1;
        };
    }

    /** A hint at the length of all headers; never relied on. */
    public int hdrLen() {
        return hdrLen;
    }

    public int gsoSize() {
        return gsoSize;
    }

    public int csumStart() {
        return csumStart;
    }

    public int csumOffset() {
        return csumOffset;
    }
}
