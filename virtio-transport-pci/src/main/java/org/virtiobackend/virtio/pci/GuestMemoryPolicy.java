package org.virtiobackend.virtio.pci;

import java.util.function.Supplier;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.pci.BarWindow;

/**
 * Policy {@code direct}: the device works on the client's memory, as far as the client maps it. No region, no features.
 */
public final class GuestMemoryPolicy implements DmaPolicy {
    private final DmaMap map;

    /** @param map the client's DMA map, which stays the caller's */
    public GuestMemoryPolicy(DmaMap map) {
        this.map = map;
    }

    @Override
    public long offeredFeatures() {
        return 0;
    }

    @Override
    public boolean acceptFeatures(long features) {
        return true;
    }

    @Override
    public Supplier<DmaSpace> spaces(long features, BarWindow window) {
        return map::newSpace;
    }

    @Override
    public Region region() {
        return null;
    }
}
