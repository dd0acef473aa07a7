package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.VirtioNet.*;

import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.Toeplitz;
import org.virtiobackend.virtio.queue.ChainReader;

/** Control commands about queue pairs and hashing (virtio 1.4 5.1.9.5.5 to 5.1.9.5.7). Each returns whether it was obeyed. */
final class MultiqueueCommands {
    private static final int FIXED_BYTES = 8;
    private static final int RESERVED_BYTES = 8;

    private final VirtioNetDevice device;

    MultiqueueCommands(VirtioNetDevice device) {
        this.device = device;
    }

    boolean execute(int command, ChainReader data) {
        return switch (command) {
            case VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET -> device.isNegotiated(VIRTIO_NET_F_MQ) && setPairs(data);
            case VIRTIO_NET_CTRL_MQ_RSS_CONFIG -> device.isNegotiated(VIRTIO_NET_F_RSS) && setRss(data);
            case VIRTIO_NET_CTRL_MQ_HASH_CONFIG -> device.isNegotiated(VIRTIO_NET_F_HASH_REPORT) && setHash(data);
            default -> false;
        };
    }

    private boolean setPairs(ChainReader data) {
        if (data.remaining() < Short.BYTES) {
            return false;
        }
        int pairs = data.getU16();
        if (pairs < 1 || pairs > device.queuePairs()) {
            return false; // virtio 1.4 5.1.9.5.6.1
        }
        device.setActivePairs(pairs);
        return true;
    }

    private boolean setRss(ChainReader data) {
        if (data.remaining() < FIXED_BYTES) {
            return false;
        }
        long types = data.getU32();
        int entries = data.getU16() + 1;
        int unclassified = data.getU16();
        if (!areSupported(types)
                || entries > HashRules.MAX_TABLE
                || Integer.bitCount(entries) != 1 // virtio 1.4 5.1.9.5.7.2
                || unclassified >= device.queuePairs()
                || data.remaining() < (entries + 1L) * Short.BYTES) {
            return false;
        }
        int[] table = new int[entries];
        for (int i = 0; i < entries; i++) {
            table[i] = data.getU16();
            if (table[i] >= device.queuePairs()) {
                return false;
            }
        }
        int transmitQueues = data.getU16();
        Toeplitz toeplitz = readKey(data);
        if (transmitQueues < 1 || transmitQueues > device.queuePairs() || toeplitz == null) {
            return false;
        }
        device.setSteering(new HashRules((int) types, toeplitz, table, unclassified), transmitQueues);
        return true;
    }

    private boolean setHash(ChainReader data) {
        if (data.remaining() < Integer.BYTES + RESERVED_BYTES) {
            return false;
        }
        long types = data.getU32();
        data.skip(RESERVED_BYTES);
        Toeplitz toeplitz = areSupported(types) ? readKey(data) : null;
        if (toeplitz == null) {
            return false;
        }
        device.setHashReport(new HashRules((int) types, toeplitz, null, 0));
        return true;
    }

    private static boolean areSupported(long types) {
        return (types & ~(long) FlowHash.ALL_TYPES) == 0;
    }

    /** A length and so many bytes, or null. */
    private static Toeplitz readKey(ChainReader data) {
        if (data.remaining() < 1) {
            return null;
        }
        int length = data.getU8();
        if (length > Toeplitz.KEY_BYTES || length > data.remaining()) {
            return null;
        }
        byte[] key = new byte[length];
        for (int i = 0; i < length; i++) {
            key[i] = (byte) data.getU8();
        }
        return new Toeplitz(key);
    }
}
