package org.virtiobackend.devices.net.backend;

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

    public static final int ALL = CSUM | TSO4 | TSO6 | ECN | UFO | USO4 | USO6;

    private Offload() {}
}
