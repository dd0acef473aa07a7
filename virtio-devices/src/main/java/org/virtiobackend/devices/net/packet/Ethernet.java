package org.virtiobackend.devices.net.packet;

/** Numbers of Ethernet and what it carries. */
public final class Ethernet {
    /** Bytes of an untagged header. */
    public static final int HEADER_BYTES = 14;
    /** Bytes of one VLAN tag. */
    public static final int TAG_BYTES = 4;
    /** Tags that a frame can have: a customer's within a provider's (802.1ad). */
    public static final int MAX_TAGS = 2;
    /** Largest frame: header and the largest IPv6 packet (virtio 1.4 5.1.9.3), and a tag. */
    public static final int MAX_FRAME_BYTES = 65589 + TAG_BYTES;

    public static final int TYPE_AT = 12;
    public static final int TYPE_IPV4 = 0x0800;
    public static final int TYPE_IPV6 = 0x86dd;
    public static final int TYPE_VLAN = 0x8100;
    public static final int TYPE_SERVICE_VLAN = 0x88a8;

    public static final int PROTOCOL_TCP = 6;
    public static final int PROTOCOL_UDP = 17;

    private Ethernet() {}

    /** Whether this EtherType says that a tag follows. */
    public static boolean isTag(int type) {
        return type == TYPE_VLAN || type == TYPE_SERVICE_VLAN;
    }
}
