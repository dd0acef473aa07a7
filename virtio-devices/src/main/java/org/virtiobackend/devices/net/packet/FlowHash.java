package org.virtiobackend.devices.net.packet;

import java.nio.ByteBuffer;

/** The hash of a frame over the fields that a driver has chosen (virtio 1.4 5.1.9.4.3). One thread. */
public final class FlowHash {
    public static final int VIRTIO_NET_HASH_TYPE_IPv4 = 1;
    public static final int VIRTIO_NET_HASH_TYPE_TCPv4 = 1 << 1;
    public static final int VIRTIO_NET_HASH_TYPE_UDPv4 = 1 << 2;
    public static final int VIRTIO_NET_HASH_TYPE_IPv6 = 1 << 3;
    public static final int VIRTIO_NET_HASH_TYPE_TCPv6 = 1 << 4;
    public static final int VIRTIO_NET_HASH_TYPE_UDPv6 = 1 << 5;
    public static final int VIRTIO_NET_HASH_TYPE_IP_EX = 1 << 6;
    public static final int VIRTIO_NET_HASH_TYPE_TCP_EX = 1 << 7;
    public static final int VIRTIO_NET_HASH_TYPE_UDP_EX = 1 << 8;
    /** All of them. */
    public static final int ALL_TYPES = (1 << 9) - 1;

    private static final int PORTS_BYTES = 4;

    private final FlowFields fields = new FlowFields();
    private final ByteBuffer input = ByteBuffer.allocateDirect(Toeplitz.INPUT_BYTES);
    private int value;
    private int report;

    /**
     * Finds the most specific of the enabled types that a frame is of, and calculates its hash.
     *
     * @param types VIRTIO_NET_HASH_TYPE_ bits
     * @param bytes the beginning of the frame, network byte order
     * @param length how much of it is there
     */
    public void calculate(int types, Toeplitz toeplitz, ByteBuffer bytes, int length) {
        fields.parse(bytes, length);
        value = 0;
        report = 0;
        int type = type(types);
        if (type == 0) {
            return;
        }
        boolean withPorts =
                (type & ~(VIRTIO_NET_HASH_TYPE_IPv4 | VIRTIO_NET_HASH_TYPE_IPv6 | VIRTIO_NET_HASH_TYPE_IP_EX)) != 0;
        boolean extended = type >= VIRTIO_NET_HASH_TYPE_IP_EX;
        int address = fields.addressBytes();
        input.put(0, bytes, extended ? fields.extendedSource() : fields.source(), address);
        input.put(address, bytes, extended ? fields.extendedDestination() : fields.destination(), address);
        int inputBytes = 2 * address;
        if (withPorts) {
            input.put(inputBytes, bytes, fields.ports(), PORTS_BYTES);
            inputBytes += PORTS_BYTES;
        }
        value = toeplitz.hash(input, inputBytes);
        report = Integer.numberOfTrailingZeros(type) + 1; // virtio 1.4 5.1.9.4.5
    }

    /** The last frame's hash. */
    public int value() {
        return value;
    }

    /** VIRTIO_NET_HASH_REPORT_ constant of the last frame, 0 when no hash was calculated. */
    public int report() {
        return report;
    }

    private int type(int types) {
        if (fields.addressBytes() == 0) {
            return 0;
        }
        if (fields.addressBytes() == 4) {
            return choose(types, VIRTIO_NET_HASH_TYPE_IPv4);
        }
        int extended = fields.isExtended() ? choose(types, VIRTIO_NET_HASH_TYPE_IP_EX) : 0;
        return extended != 0 ? extended : choose(types, VIRTIO_NET_HASH_TYPE_IPv6);
    }

    /** The types of one kind of packet stand side by side: addresses only, TCP, UDP. */
    private int choose(int types, int addressesOnly) {
        if (fields.isTcp() && (types & addressesOnly << 1) != 0) {
            return addressesOnly << 1;
        }
        if (fields.isUdp() && (types & addressesOnly << 2) != 0) {
            return addressesOnly << 2;
        }
        return types & addressesOnly;
    }
}
