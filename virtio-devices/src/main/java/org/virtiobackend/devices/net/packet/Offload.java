package org.virtiobackend.devices.net.packet;

import org.virtiobackend.posix.TunTap;

/** What may be left undone in a frame, as bits; with the kernel's numbers for taps. */
public final class Offload {
    /** The transport checksum may be partial. */
    public static final int CSUM = TunTap.TUN_F_CSUM;
    /** TCP over IPv4 may be longer than a segment. */
    public static final int TSO4 = TunTap.TUN_F_TSO4;

    public static final int TSO6 = TunTap.TUN_F_TSO6;
    /** Such TCP may have CWR set. */
    public static final int ECN = TunTap.TUN_F_TSO_ECN;
    /** UDP may be longer than a packet, to be fragmented. */
    public static final int UFO = TunTap.TUN_F_UFO;
    /** UDP over IPv4 may be longer than a packet, to be cut into packets with a header each. */
    public static final int USO4 = TunTap.TUN_F_USO4;

    public static final int USO6 = TunTap.TUN_F_USO6;

    private static final int USO = USO4 | USO6;

    private Offload() {}

    /** The most of these offloads that the kernel takes for a tap, which refuses a set as a whole. */
    public static int forTap(int offloads) {
        int taken = (offloads & CSUM) == 0 ? 0 : offloads;
        if ((taken & (TSO4 | TSO6)) == 0) {
            taken &= ~ECN;
        }
        return (taken & USO) == USO ? taken : taken & ~USO; // not one without the other
    }

    /**
     * Whether all that {@link VnetHeader#undone} says may be left undone. UDP's headers do not say which IP: either will do
     * (virtio 1.4 5.1.9.4.1).
     */
    public static boolean allows(int offloads, int undone) {
        return undone >= 0 && (undone & ~offloads & ~USO) == 0 && ((undone & USO) == 0 || (offloads & USO) != 0);
    }
}
