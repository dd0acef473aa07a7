package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.RestrictedDma.VIRTIO_F_DMB;
import static org.virtiobackend.virtio.RestrictedDma.VIRTIO_F_SWIOTLB;

import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.GuestMemory;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.swiotlb.AddressCodec;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.swiotlb.RegionFirstSpace;
import org.virtiobackend.swiotlb.SwiotlbSpace;

/**
 * The policies of a device that has a region: what is offered, which choices of a driver are good enough, and which memory
 * follows from the choice. The proposals' words: a device MUST NOT offer the feature without the buffer, SHOULD offer it when it has
 * the buffer, and MAY refuse to work without it.
 */
public final class RegionPolicy implements DmaPolicy {
    private static final Logger LOG = LoggerFactory.getLogger(RegionPolicy.class);

    /** How much the operator insists. */
    public enum Kind {
        /** A driver that does not accept the region is refused; guest memory is never mapped and never asked for. */
        RESTRICTED,
        /** A driver that does not accept it is served from guest memory, which is not touched before. */
        PREFER,
        /** The region is only shown; each address may lie in it or in guest memory. */
        HINT
    }

    private final Kind kind;
    private final BarMemory memory;
    private final DmaMap map;
    private final Region region;

    /**
     * Settles what becomes of guest memory, so it must come before the client's first DMA_MAP.
     *
     * @param memory the region; stays the caller's, who closes it after the function
     * @param map the client's DMA map; stays the caller's
     * @param shmId shared memory id of the region, 1 to 255: one that the device type does not use itself
     */
    public RegionPolicy(Kind kind, BarMemory memory, DmaMap map, int shmId) {
        this.kind = kind;
        this.memory = memory;
        this.map = map;
        this.region = new Region(new PciRegion(memory.size(), memory.fd()), memory.mapping(), shmId, true, true);
        setGuestMemory(
                switch (kind) {
                    case RESTRICTED -> GuestMemory.REFUSED;
                    case PREFER -> GuestMemory.HELD;
                    case HINT -> GuestMemory.OPEN;
                });
    }

    @Override
    public long offeredFeatures() {
        return kind == Kind.HINT ? 0 : VIRTIO_F_SWIOTLB | VIRTIO_F_DMB;
    }

    @Override
    public boolean acceptFeatures(long features) {
        boolean swiotlb = (features & VIRTIO_F_SWIOTLB) != 0;
        boolean dmb = (features & VIRTIO_F_DMB) != 0;
        if (swiotlb && dmb) {
            // Two ways to read one address: refused, so that the driver settles on one.
            return false;
        }
        return swiotlb || dmb || kind != Kind.RESTRICTED;
    }

    @Override
    public Supplier<DmaSpace> spaces(long features, BarWindow window) {
        if ((features & VIRTIO_F_DMB) != 0) {
            return regionOnly(AddressCodec.offsetInRegion());
        }
        if ((features & VIRTIO_F_SWIOTLB) != 0) {
            return regionOnly(AddressCodec.absoluteInBar(window::base));
        }
        setGuestMemory(GuestMemory.OPEN);
        return () -> new RegionFirstSpace(memory, window::base, map.newSpace());
    }

    @Override
    public Region region() {
        return region;
    }

    private Supplier<DmaSpace> regionOnly(AddressCodec codec) {
        if (kind == Kind.PREFER) {
            setGuestMemory(GuestMemory.HELD);
        }
        return () -> new SwiotlbSpace(memory, codec);
    }

    private void setGuestMemory(GuestMemory wanted) {
        try {
            map.setGuestMemory(wanted);
        } catch (ErrnoException e) {
            LOG.warn("a part of the guest's memory cannot be mapped: {}", e.getMessage());
        }
    }
}
