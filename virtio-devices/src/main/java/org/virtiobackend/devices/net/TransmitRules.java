package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.packet.Offload;
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
        if ((header.flags() & VnetHeader.VIRTIO_NET_HDR_F_UDP_TUNNEL_CSUM) != 0) {
            return false; // virtio 1.4 5.1.9.2.2: tunnels that could go with it are never offered
        }
        header.keepFlags(
                (offloads & Offload.CSUM) != 0 ? VnetHeader.VIRTIO_NET_HDR_F_NEEDS_CSUM : 0); // virtio 1.4 5.1.9.2.2
        if (header.needsChecksum() && header.csumStart() + header.csumOffset() + 2 > length) {
            return false;
        }
        header.limitHdrLen(length);
        if (header.isSegmented() && (!header.needsChecksum() || header.gsoSize() == 0)) {
            return false; // virtio 1.4 5.1.9.2.1
        }
        return Offload.allows(offloads, header.undone());
    }
}
