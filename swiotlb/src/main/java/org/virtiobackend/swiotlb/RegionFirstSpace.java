package org.virtiobackend.swiotlb;

import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.dma.SegmentList;

/**
 * A device that has a region but was not restricted to it: an address inside the own BAR is met locally, everything else is guest
 * memory. Matching the own BAR first also keeps a driver from sending the device through the client back to itself.
 */
public final class RegionFirstSpace implements DmaSpace {
    private final BarMemory memory;
    private final BusWindow window;
    private final DmaSpace guestMemory;

    public RegionFirstSpace(BarMemory memory, BusWindow window, DmaSpace guestMemory) {
        this.memory = memory;
        this.window = window;
        this.guestMemory = guestMemory;
    }

    @Override
    public void map(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        if (length == 0) {
            return;
        }
        long base = window.base();
        if (base != BusWindow.NOT_DECODED && memory.contains(address - base, 1)) {
            if (!memory.contains(address - base, length)) {
                throw new DmaFaultException("range straddles the end of the device's region", address, length);
            }
            memory.append(address - base, length, out);
            return;
        }
        guestMemory.map(address, length, access, out);
    }

    @Override
    public void attach(long address, int length, int alignment, DmaAccess access, RingAccess area)
            throws DmaFaultException {
        long base = window.base();
        if (base != BusWindow.NOT_DECODED && memory.contains(address - base, length)) {
            area.detach();
            if ((address & (alignment - 1)) != 0) {
                throw new DmaFaultException("ring area is not aligned", address, length);
            }
            memory.attach(address - base, length, area);
            return;
        }
        guestMemory.attach(address, length, alignment, access, area);
    }

    @Override
    public boolean refresh() {
        return guestMemory.refresh();
    }

    @Override
    public boolean isIntact() {
        return guestMemory.isIntact();
    }
}
