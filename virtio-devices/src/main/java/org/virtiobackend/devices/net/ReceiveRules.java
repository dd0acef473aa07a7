package org.virtiobackend.devices.net;

/**
 * What the control queue has settled about received frames: one immutable object, replaced as a whole, that every receive queue
 * takes a look at before each batch.
 *
 * @param filter which frames pass
 * @param pairs queue pairs in use, from the first on
 * @param offloads {@link org.virtiobackend.devices.net.packet.Offload} bits that the driver copes with
 */
record ReceiveRules(ReceiveFilter filter, int pairs, int offloads) {
    ReceiveRules withFilter(ReceiveFilter newFilter) {
        return new ReceiveRules(newFilter, pairs, offloads);
    }

    ReceiveRules withPairs(int newPairs) {
        return new ReceiveRules(filter, newPairs, offloads);
    }

    ReceiveRules withOffloads(int newOffloads) {
        return new ReceiveRules(filter, pairs, newOffloads);
    }
}
