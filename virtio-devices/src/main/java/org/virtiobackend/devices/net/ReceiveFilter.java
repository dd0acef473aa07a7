package org.virtiobackend.devices.net;

import java.util.Arrays;

/** Which received frames a driver wants (virtio 1.4 5.1.9.5.1 to 5.1.9.5.3). Immutable. */
final class ReceiveFilter {
    /** Addresses that a table holds; with more, everything of that kind is received. */
    static final int MAX_ADDRESSES = 256;
    /** The VLAN of a frame without a tag. */
    static final int NO_VLAN = -1;

    private static final long[] NONE = {};
    private static final int VLANS = 4096;

    /** The modes, numbered as the commands that set them. */
    private final int modes;

    private final long mac;
    private final long[] unicast;
    private final long[] multicast;
    /** A bit for each VLAN that passes, or null when all do. */
    private final long[] vlans;

    private ReceiveFilter(int modes, long mac, long[] unicast, long[] multicast, long[] vlans) {
        this.modes = modes;
        this.mac = mac;
        this.unicast = unicast;
        this.multicast = multicast;
        this.vlans = vlans;
    }

    /**
     * What a driver with these features starts with: without CTRL_RX it has no way to ask for multicast, so it gets all.
     *
     * @param addresses CTRL_RX is negotiated: frames for {@code mac} and broadcasts pass
     * @param vlanTable CTRL_VLAN is negotiated: no tagged frame passes
     */
    static ReceiveFilter initial(long mac, boolean addresses, boolean vlanTable) {
        int modes =
                addresses ? 0 : bit(VirtioNet.VIRTIO_NET_CTRL_RX_ALLUNI) | bit(VirtioNet.VIRTIO_NET_CTRL_RX_ALLMULTI);
        return new ReceiveFilter(modes, mac, NONE, NONE, vlanTable ? new long[VLANS / Long.SIZE] : null);
    }

    /** @param mode VIRTIO_NET_CTRL_RX_ constant */
    ReceiveFilter withMode(int mode, boolean on) {
        return new ReceiveFilter(on ? modes | bit(mode) : modes & ~bit(mode), mac, unicast, multicast, vlans);
    }

    ReceiveFilter withMac(long newMac) {
        return new ReceiveFilter(modes, newMac, unicast, multicast, vlans);
    }

    /** @param newUnicast null for more than fit, as is {@code newMulticast} */
    ReceiveFilter withTables(long[] newUnicast, long[] newMulticast) {
        return new ReceiveFilter(modes, mac, sorted(newUnicast), sorted(newMulticast), vlans);
    }

    /** @param vlan 0 to 4095; nothing happens without a table */
    ReceiveFilter withVlan(int vlan, boolean pass) {
        if (vlans == null) {
            return this;
        }
        long[] changed = vlans.clone();
        long bit = 1L << vlan % Long.SIZE;
        changed[vlan / Long.SIZE] = pass ? changed[vlan / Long.SIZE] | bit : changed[vlan / Long.SIZE] & ~bit;
        return new ReceiveFilter(modes, mac, unicast, multicast, changed);
    }

    /** Whether every frame passes, so that none needs to be looked at. */
    boolean passesAll() {
        int all = bit(VirtioNet.VIRTIO_NET_CTRL_RX_ALLUNI) | bit(VirtioNet.VIRTIO_NET_CTRL_RX_ALLMULTI);
        return isOn(VirtioNet.VIRTIO_NET_CTRL_RX_PROMISC) || vlans == null && modes == all;
    }

    /** @param vlan of the outermost tag, or {@link #NO_VLAN} */
    boolean passes(long destination, int vlan) {
        if (isOn(VirtioNet.VIRTIO_NET_CTRL_RX_PROMISC)) {
            return true;
        }
        if (vlans != null && vlan != NO_VLAN && (vlans[vlan / Long.SIZE] & 1L << vlan % Long.SIZE) == 0) {
            return false; // virtio 1.4 5.1.9.5.3.1
        }
        if (destination == MacAddress.BROADCAST) {
            return !isOn(VirtioNet.VIRTIO_NET_CTRL_RX_NOBCAST);
        }
        if (MacAddress.isMulticast(destination)) {
            return !isOn(VirtioNet.VIRTIO_NET_CTRL_RX_NOMULTI)
                    && (isOn(VirtioNet.VIRTIO_NET_CTRL_RX_ALLMULTI) || contains(multicast, destination));
        }
        return !isOn(VirtioNet.VIRTIO_NET_CTRL_RX_NOUNI)
                && (destination == mac || isOn(VirtioNet.VIRTIO_NET_CTRL_RX_ALLUNI) || contains(unicast, destination));
    }

    private boolean isOn(int mode) {
        return (modes & bit(mode)) != 0;
    }

    private static boolean contains(long[] table, long address) {
        return table == null || Arrays.binarySearch(table, address) >= 0;
    }

    private static long[] sorted(long[] table) {
        if (table != null) {
            Arrays.sort(table);
        }
        return table;
    }

    private static int bit(int mode) {
        return 1 << mode;
    }
}
