package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import org.virtiobackend.devices.net.packet.Offload;

/** Which features need which others, and what they mean to a backend. */
final class NetFeatures {
    private static final long GUEST_TSO = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;
    private static final long HOST_TSO = VIRTIO_NET_F_HOST_TSO4 | VIRTIO_NET_F_HOST_TSO6;

    /** A feature and a set of which it needs at least one: virtio 1.4 5.1.3.1. */
    private static final long[][] NEEDS = {
        {VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_ECN, GUEST_TSO},
        {VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_GUEST_CSUM},
        {VIRTIO_NET_F_HOST_TSO4, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_TSO6, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_ECN, HOST_TSO},
        {VIRTIO_NET_F_HOST_UFO, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_HOST_USO, VIRTIO_NET_F_CSUM},
        {VIRTIO_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_MQ, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_NOTF_COAL, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_RSS, VIRTIO_NET_F_CTRL_VQ},
        {VIRTIO_NET_F_VQ_NOTF_COAL, VIRTIO_NET_F_CTRL_VQ},
    };

    /** Each offload of a backend and the features by which a driver accepts it on receive, and asks for it on transmit. */
    private static final long[][] OFFLOADS = {
        {Offload.CSUM, VIRTIO_NET_F_GUEST_CSUM, VIRTIO_NET_F_CSUM},
        {Offload.TSO4, VIRTIO_NET_F_GUEST_TSO4, VIRTIO_NET_F_HOST_TSO4},
        {Offload.TSO6, VIRTIO_NET_F_GUEST_TSO6, VIRTIO_NET_F_HOST_TSO6},
        {Offload.ECN, VIRTIO_NET_F_GUEST_ECN, VIRTIO_NET_F_HOST_ECN},
        {Offload.UFO, VIRTIO_NET_F_GUEST_UFO, VIRTIO_NET_F_HOST_UFO},
        {Offload.USO4, VIRTIO_NET_F_GUEST_USO4, VIRTIO_NET_F_HOST_USO},
        {Offload.USO6, VIRTIO_NET_F_GUEST_USO6, VIRTIO_NET_F_HOST_USO},
    };

    private NetFeatures() {}

    /** The features among {@code accepted} without what they need. */
    static long withoutNeeds(long accepted) {
        long wrong = 0;
        for (long[] need : NEEDS) {
            if ((accepted & need[0]) != 0 && (accepted & need[1]) == 0) {
                wrong |= need[0];
            }
        }
        return wrong;
    }

    /** Features to offer for what a backend may leave undone in received frames. */
    static long guestFeatures(int offloads) {
        return features(offloads, 1);
    }

    /** Features to offer for what a driver may leave undone in transmitted frames. */
    static long hostFeatures(int offloads) {
        return features(offloads, 2);
    }

    /** What received frames may leave undone for a driver with these features. */
    static int receiveOffloads(long features) {
        return offloads(features, 1);
    }

    /** What transmitted frames may leave undone with these features. */
    static int transmitOffloads(long features) {
        return offloads(features, 2);
    }

    private static long features(int offloads, int column) {
        long features = 0;
        for (long[] row : OFFLOADS) {
            features |= (offloads & row[0]) != 0 ? row[column] : 0;
        }
        return features;
    }

    private static int offloads(long features, int column) {
        int offloads = 0;
        for (long[] row : OFFLOADS) {
            offloads |= (features & row[column]) != 0 ? (int) row[0] : 0;
        }
        return offloads;
    }
}
