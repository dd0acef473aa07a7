package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.packet.Toeplitz;

/**
 * How received frames are hashed, and where the hash leads them (virtio 1.4 5.1.9.5.7). Immutable.
 *
 * @param types VIRTIO_NET_HASH_TYPE_ bits
 * @param table receive queues as pairs, a power of two of them; null when the hash is only reported
 * @param unclassified the pair for frames without a hash
 */
record HashRules(int types, Toeplitz toeplitz, int[] table, int unclassified) {
    /** Entries of the longest table. */
    static final int MAX_TABLE = 128;

    /** The same without steering. */
    HashRules reportOnly() {
        return new HashRules(types, toeplitz, null, 0);
    }

    boolean steers() {
        return table != null;
    }

    /** Where a frame goes. */
    int pair(int hash, boolean hasHash) {
        return hasHash ? table[hash & table.length - 1] : unclassified;
    }
}
