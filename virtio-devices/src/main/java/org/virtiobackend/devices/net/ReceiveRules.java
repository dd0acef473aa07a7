package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.devices.net.packet.VnetHeader;

/**
 * What the control queue has settled about received frames: one immutable object, replaced as a whole, that every receive queue
 * takes a look at before each batch.
 *
 * @param filter which frames pass
 * @param pairs queue pairs in use, from the first on
 * @param offloads {@link org.virtiobackend.devices.net.packet.Offload} bits that the driver copes with
 * @param hash null when nobody wants frames to be hashed
 */
record ReceiveRules(ReceiveFilter filter, int pairs, int offloads, HashRules hash) {
    ReceiveRules withFilter(ReceiveFilter newFilter) {
        return new ReceiveRules(newFilter, pairs, offloads, hash);
    }

    ReceiveRules withPairs(int newPairs) {
        return new ReceiveRules(filter, newPairs, offloads, hash);
    }

    ReceiveRules withHash(HashRules newHash) {
        return new ReceiveRules(filter, pairs, offloads, newHash);
    }

    /** Whether frames have to be looked at. */
    boolean look() {
        return hash != null || !filter.passesAll();
    }

    /** Flags that headers of received frames may have: virtio 1.4 5.1.9.4.1. */
    int flags() {
        return (offloads & Offload.CSUM) == 0
                ? 0
                : VnetHeader.VIRTIO_NET_HDR_F_NEEDS_CSUM | VnetHeader.VIRTIO_NET_HDR_F_DATA_VALID;
    }

    boolean steer() {
        return hash != null && hash.steers();
    }

    ReceiveRules withOffloads(int newOffloads) {
        return new ReceiveRules(filter, pairs, newOffloads, hash);
    }
}
