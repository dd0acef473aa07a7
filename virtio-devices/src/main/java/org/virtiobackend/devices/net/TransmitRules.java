package org.virtiobackend.devices.net;

import static org.virtiobackend.devices.net.packet.VnetHeader.*;

import org.virtiobackend.devices.net.backend.Offload;
import org.virtiobackend.devices.net.packet.VnetHeader;

/** What the header of a transmitted frame may say (virtio 1.4 5.1.9.2). */
final class TransmitRules {
    private final int offloads;

    /** @param offloads {@link Offload} bits that were negotiated */
    TransmitRules(int offloads) {
        this.offloads = offloads;
    }

    /**
     * Judges a private copy of a header, and takes away what means nothing.
     *
     * @param length bytes of the frame
     * @return false when the frame must not be sent
     */
    boolean admit(VnetHeader header, int length) {
        header.keepFlags(allows(Offload.CSUM) ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0); // virtio 1.4 5.1.9.2.2
        if (header.needsChecksum() && header.csumStart() + header.csumOffset() + 2 > length) {
            return false;
        }
        header.limitHdrLen(length);
        return !header.isSegmented() || admitSegmented(header);
    }

    // virtio 1.4 5.1.9.2.1: segmentation comes with a partial checksum and a size
    private boolean admitSegmented(VnetHeader header) {
        if (!header.needsChecksum() || header.gsoSize() == 0) {
            return false;
        }
        if (header.gsoHasEcn() && !allows(Offload.ECN)) {
            return false;
        }
        return switch (header.gsoKind()) {
            case VIRTIO_NET_HDR_GSO_TCPV4 -> allows(Offload.TSO4);
            case VIRTIO_NET_HDR_GSO_TCPV6 -> allows(Offload.TSO6);
            case VIRTIO_NET_HDR_GSO_UDP -> allows(Offload.UFO) && !header.gsoHasEcn();
            case VIRTIO_NET_HDR_GSO_UDP_L4 -> (allows(Offload.USO4) || allows(Offload.USO6)) && !header.gsoHasEcn();
            default -> false;
        };
    }

    private boolean allows(int offload) {
        return (offloads & offload) != 0;
    }
}
