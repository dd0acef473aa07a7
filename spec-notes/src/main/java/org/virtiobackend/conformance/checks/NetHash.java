package org.virtiobackend.conformance.checks;

import java.util.Arrays;

/** The Toeplitz hash, bit by bit (virtio 1.4 5.1.9.4.3), and the commands that set its parameters. Shares no code with the device. */
final class NetHash {
    private static final int KEY_BYTES = 40;
    private static final byte[] KEY = NetFrames.bytes(KEY_BYTES, 77);
    private static final int PORTS = 4;

    private NetHash() {}

    /** VIRTIO_NET_HASH_REPORT_ constant of a frame without extension headers: 0 to 6. */
    static int report(byte[] frame, int types) {
        int type = NetFrames.type(frame);
        if (type != NetFrames.TYPE_IPV4 && type != NetFrames.TYPE_IPV6) {
            return 0;
        }
        int base = type == NetFrames.TYPE_IPV6 ? 3 : 0;
        int transport = NetFrames.protocol(frame) == NetFrames.TCP ? 1 : 2;
        if ((types >>> base + transport & 1) != 0) {
            return base + transport + 1;
        }
        return (types >>> base & 1) != 0 ? base + 1 : 0;
    }

    /** The hash, 0 when none is calculated. */
    static int of(byte[] frame, int types) {
        int report = report(frame, types);
        if (report == 0) {
            return 0;
        }
        boolean six = NetFrames.type(frame) == NetFrames.TYPE_IPV6;
        int from = NetFrames.ETHERNET + (six ? 8 : 12);
        boolean ports = report != 1 && report != 4;
        int to = NetFrames.transportAt(six) + (ports ? PORTS : 0); // the ports follow the addresses
        return toeplitz(KEY, Arrays.copyOfRange(frame, from, to));
    }

    static int toeplitz(byte[] key, byte[] input) {
        int hash = 0;
        for (int bit = 0; bit < input.length * Byte.SIZE; bit++) {
            if ((input[bit / 8] & 0x80 >>> bit % 8) != 0) {
                hash ^= keyWindow(key, bit);
            }
        }
        return hash;
    }

    /** 32 bits of the key from a bit on. */
    private static int keyWindow(byte[] key, int first) {
        int window = 0;
        for (int bit = first; bit < first + Integer.SIZE; bit++) {
            boolean set = bit < key.length * Byte.SIZE && (key[bit / 8] & 0x80 >>> bit % 8) != 0;
            window = window << 1 | (set ? 1 : 0);
        }
        return window;
    }

    /**
     * struct virtio_net_rss_config.
     *
     * @param table receive queues as pairs, a power of two of them
     */
    static int[] rssConfig(int types, int[] table, int unclassified, int transmitQueues) {
        int[] data = new int[4 + 2 + 2 + 2 * table.length + 2 + 1 + KEY_BYTES];
        data[0] = types & 0xff;
        data[1] = types >>> 8;
        data[4] = table.length - 1;
        data[6] = unclassified;
        for (int i = 0; i < table.length; i++) {
            data[8 + 2 * i] = table[i];
        }
        data[8 + 2 * table.length] = transmitQueues;
        addKey(data);
        return data;
    }

    /** struct virtio_net_hash_config. */
    static int[] hashConfig(int types) {
        int[] data = new int[4 + 8 + 1 + KEY_BYTES];
        data[0] = types & 0xff;
        data[1] = types >>> 8;
        addKey(data);
        return data;
    }

    private static void addKey(int[] data) {
        int at = data.length - KEY_BYTES;
        data[at - 1] = KEY_BYTES;
        for (int i = 0; i < KEY_BYTES; i++) {
            data[at + i] = KEY[i] & 0xff;
        }
    }
}
