package org.virtiobackend.devices.net;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.StringJoiner;

/** Numbers of the network device (virtio 1.4 5.1), under the specification's names. */
public final class VirtioNet {
    // feature bits: virtio 1.4 5.1.3
    public static final long VIRTIO_NET_F_CSUM = 1L;
    public static final long VIRTIO_NET_F_GUEST_CSUM = 1L << 1;
    public static final long VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1L << 2;
    public static final long VIRTIO_NET_F_MTU = 1L << 3;
    public static final long VIRTIO_NET_F_MAC = 1L << 5;
    public static final long VIRTIO_NET_F_GUEST_TSO4 = 1L << 7;
    public static final long VIRTIO_NET_F_GUEST_TSO6 = 1L << 8;
    public static final long VIRTIO_NET_F_GUEST_ECN = 1L << 9;
    public static final long VIRTIO_NET_F_GUEST_UFO = 1L << 10;
    public static final long VIRTIO_NET_F_HOST_TSO4 = 1L << 11;
    public static final long VIRTIO_NET_F_HOST_TSO6 = 1L << 12;
    public static final long VIRTIO_NET_F_HOST_ECN = 1L << 13;
    public static final long VIRTIO_NET_F_HOST_UFO = 1L << 14;
    public static final long VIRTIO_NET_F_MRG_RXBUF = 1L << 15;
    public static final long VIRTIO_NET_F_STATUS = 1L << 16;
    public static final long VIRTIO_NET_F_CTRL_VQ = 1L << 17;
    public static final long VIRTIO_NET_F_CTRL_RX = 1L << 18;
    public static final long VIRTIO_NET_F_CTRL_VLAN = 1L << 19;
    public static final long VIRTIO_NET_F_CTRL_RX_EXTRA = 1L << 20;
    public static final long VIRTIO_NET_F_GUEST_ANNOUNCE = 1L << 21;
    public static final long VIRTIO_NET_F_MQ = 1L << 22;
    public static final long VIRTIO_NET_F_CTRL_MAC_ADDR = 1L << 23;
    public static final long VIRTIO_NET_F_VQ_NOTF_COAL = 1L << 52;
    public static final long VIRTIO_NET_F_NOTF_COAL = 1L << 53;
    public static final long VIRTIO_NET_F_GUEST_USO4 = 1L << 54;
    public static final long VIRTIO_NET_F_GUEST_USO6 = 1L << 55;
    public static final long VIRTIO_NET_F_HOST_USO = 1L << 56;
    public static final long VIRTIO_NET_F_HASH_REPORT = 1L << 57;
    public static final long VIRTIO_NET_F_GUEST_HDRLEN = 1L << 59;
    public static final long VIRTIO_NET_F_RSS = 1L << 60;
    public static final long VIRTIO_NET_F_SPEED_DUPLEX = 1L << 63;

    // struct virtio_net_config, offsets in bytes: virtio 1.4 5.1.4
    public static final int CONFIG_MAC = 0;
    public static final int CONFIG_STATUS = 6;
    public static final int CONFIG_MAX_VIRTQUEUE_PAIRS = 8;
    public static final int CONFIG_MTU = 10;
    public static final int CONFIG_SPEED = 12;
    public static final int CONFIG_DUPLEX = 16;
    public static final int CONFIG_RSS_MAX_KEY_SIZE = 17;
    public static final int CONFIG_RSS_MAX_INDIRECTION_TABLE_LENGTH = 18;
    public static final int CONFIG_SUPPORTED_HASH_TYPES = 20;
    public static final int CONFIG_BYTES = 28;

    public static final int VIRTIO_NET_S_LINK_UP = 1;
    public static final int VIRTIO_NET_S_ANNOUNCE = 2;

    public static final int DUPLEX_FULL = 1;
    public static final int DUPLEX_UNKNOWN = 0xff;

    // control commands, class and command: virtio 1.4 5.1.9.5
    public static final int VIRTIO_NET_CTRL_RX = 0;
    public static final int VIRTIO_NET_CTRL_RX_PROMISC = 0;
    public static final int VIRTIO_NET_CTRL_RX_ALLMULTI = 1;
    public static final int VIRTIO_NET_CTRL_RX_ALLUNI = 2;
    public static final int VIRTIO_NET_CTRL_RX_NOMULTI = 3;
    public static final int VIRTIO_NET_CTRL_RX_NOUNI = 4;
    public static final int VIRTIO_NET_CTRL_RX_NOBCAST = 5;
    public static final int VIRTIO_NET_CTRL_MAC = 1;
    public static final int VIRTIO_NET_CTRL_MAC_TABLE_SET = 0;
    public static final int VIRTIO_NET_CTRL_MAC_ADDR_SET = 1;
    public static final int VIRTIO_NET_CTRL_VLAN = 2;
    public static final int VIRTIO_NET_CTRL_VLAN_ADD = 0;
    public static final int VIRTIO_NET_CTRL_VLAN_DEL = 1;
    public static final int VIRTIO_NET_CTRL_ANNOUNCE = 3;
    public static final int VIRTIO_NET_CTRL_ANNOUNCE_ACK = 0;
    public static final int VIRTIO_NET_CTRL_MQ = 4;
    public static final int VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET = 0;
    public static final int VIRTIO_NET_CTRL_MQ_RSS_CONFIG = 1;
    public static final int VIRTIO_NET_CTRL_MQ_HASH_CONFIG = 2;
    public static final int VIRTIO_NET_CTRL_GUEST_OFFLOADS = 5;
    public static final int VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET = 0;
    public static final int VIRTIO_NET_CTRL_NOTF_COAL = 6;
    public static final int VIRTIO_NET_CTRL_NOTF_COAL_TX_SET = 0;
    public static final int VIRTIO_NET_CTRL_NOTF_COAL_RX_SET = 1;
    public static final int VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET = 2;
    public static final int VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET = 3;

    public static final int VIRTIO_NET_OK = 0;
    public static final int VIRTIO_NET_ERR = 1;

    /** Largest number of queue pairs that this device offers. */
    public static final int MAX_QUEUE_PAIRS = 16;

    private static final Map<Long, String> FEATURE_NAMES = new LinkedHashMap<>();

    static {
        FEATURE_NAMES.put(VIRTIO_NET_F_CSUM, "CSUM");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_CSUM, "GUEST_CSUM");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS, "CTRL_GUEST_OFFLOADS");
        FEATURE_NAMES.put(VIRTIO_NET_F_MTU, "MTU");
        FEATURE_NAMES.put(VIRTIO_NET_F_MAC, "MAC");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_TSO4, "GUEST_TSO4");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_TSO6, "GUEST_TSO6");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_ECN, "GUEST_ECN");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_UFO, "GUEST_UFO");
        FEATURE_NAMES.put(VIRTIO_NET_F_HOST_TSO4, "HOST_TSO4");
        FEATURE_NAMES.put(VIRTIO_NET_F_HOST_TSO6, "HOST_TSO6");
        FEATURE_NAMES.put(VIRTIO_NET_F_HOST_ECN, "HOST_ECN");
        FEATURE_NAMES.put(VIRTIO_NET_F_HOST_UFO, "HOST_UFO");
        FEATURE_NAMES.put(VIRTIO_NET_F_MRG_RXBUF, "MRG_RXBUF");
        FEATURE_NAMES.put(VIRTIO_NET_F_STATUS, "STATUS");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_VQ, "CTRL_VQ");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_RX, "CTRL_RX");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_VLAN, "CTRL_VLAN");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_RX_EXTRA, "CTRL_RX_EXTRA");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_ANNOUNCE, "GUEST_ANNOUNCE");
        FEATURE_NAMES.put(VIRTIO_NET_F_MQ, "MQ");
        FEATURE_NAMES.put(VIRTIO_NET_F_CTRL_MAC_ADDR, "CTRL_MAC_ADDR");
        FEATURE_NAMES.put(VIRTIO_NET_F_VQ_NOTF_COAL, "VQ_NOTF_COAL");
        FEATURE_NAMES.put(VIRTIO_NET_F_NOTF_COAL, "NOTF_COAL");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_USO4, "GUEST_USO4");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_USO6, "GUEST_USO6");
        FEATURE_NAMES.put(VIRTIO_NET_F_HOST_USO, "HOST_USO");
        FEATURE_NAMES.put(VIRTIO_NET_F_HASH_REPORT, "HASH_REPORT");
        FEATURE_NAMES.put(VIRTIO_NET_F_GUEST_HDRLEN, "GUEST_HDRLEN");
        FEATURE_NAMES.put(VIRTIO_NET_F_RSS, "RSS");
        FEATURE_NAMES.put(VIRTIO_NET_F_SPEED_DUPLEX, "SPEED_DUPLEX");
    }

    private VirtioNet() {}

    /** Names of the network device's bits that are set, separated by spaces; other bits are left out. */
    public static String featureNames(long features) {
        StringJoiner text = new StringJoiner(" ");
        FEATURE_NAMES.forEach((mask, name) -> {
            if ((features & mask) != 0) {
                text.add(name);
            }
        });
        return text.toString();
    }
}
