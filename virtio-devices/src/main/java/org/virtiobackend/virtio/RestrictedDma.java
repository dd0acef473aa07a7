package org.virtiobackend.virtio;

/**
 * Every number of the two restricted-DMA proposals that a driver sees. <b>Proposals: not ratified.</b>
 *
 * <p>SWIOTLB: RFC of March-April 2025. DMB: proposal of July-August 2026 (virtio-spec issue 248), its successor.
 */
public final class RestrictedDma {
    /** SWIOTLB proposal: feature bit 27; addresses are bus addresses inside the region's BAR. */
    public static final long VIRTIO_F_SWIOTLB = 1L << 27;
    /** SWIOTLB proposal: cfg_type of the capability that names the region. */
    public static final int VIRTIO_PCI_CAP_SWIOTLB = 10;

    /** DMB proposal: feature bit 44, provisional; addresses are offsets in the region. */
    public static final long VIRTIO_F_DMB = 1L << 44;
    /** DMB proposal: le16 in the common configuration, provisional offset. */
    public static final int DMB_SHM_ID_OFFSET = 0x40;

    private RestrictedDma() {}
}
