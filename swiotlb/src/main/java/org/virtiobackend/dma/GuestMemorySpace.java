package org.virtiobackend.dma;

import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.posix.Mapping;

/** Everything a client has mapped: guest RAM, by mapping or by messages. One thread at a time. */
final class GuestMemorySpace implements DmaSpace {
    private final DmaMap map;
    private DmaSnapshot snapshot;
    private DmaRegion last;

    GuestMemorySpace(DmaMap map) {
        this.map = map;
        this.snapshot = map.snapshot();
    }

    @Override
    public void map(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        if (length == 0) {
            return;
        }
        DmaRegion region = last;
        if (region != null) {
            long offset = address - region.address;
            if (Long.compareUnsigned(offset, region.size) < 0 && length <= region.size - offset) {
                region.append(offset, length, access, out);
                return;
            }
        }
        mapSlow(address, length, access, out);
    }

    private void mapSlow(long address, long length, DmaAccess access, SegmentList out) throws DmaFaultException {
        int before = out.count();
        long at = address;
        long left = length;
        try {
            while (left > 0) {
                DmaRegion region = find(at, left);
                long offset = at - region.address;
                long part = Math.min(left, region.size - offset);
                region.append(offset, part, access, out);
                at += part;
                left -= part;
                if (left > 0 && at == 0) {
                    throw new DmaFaultException("range wraps around the address space", address, length);
                }
            }
        } catch (DmaFaultException e) {
            out.truncate(before);
            throw e;
        }
    }

    @Override
    public void attach(long address, int length, int alignment, DmaAccess access, RingAccess area)
            throws DmaFaultException {
        area.detach();
        DmaRegion region = find(address, length);
        long offset = address - region.address;
        if (length > region.size - offset) {
            throw new DmaFaultException("ring area is not in one mapping", address, length);
        }
        region.attach(offset, length, alignment, access, area);
    }

    @Override
    public boolean refresh() {
        DmaSnapshot newest = map.snapshot();
        if (newest == snapshot) {
            return false;
        }
        snapshot = newest;
        last = null;
        return true;
    }

    @Override
    public boolean isIntact() {
        List<Mapping> mappings = new ArrayList<>();
        for (DmaRegion region : snapshot.regions) {
            if (region.mapping != null) {
                mappings.add(region.mapping);
            }
        }
        return Mapping.areIntact(mappings);
    }

    private DmaRegion find(long address, long length) throws DmaFaultException {
        DmaRegion region = snapshot.find(address);
        if (region == null) {
            // What was mapped since the last refresh is good at once; only what goes needs a rendezvous.
            snapshot = map.snapshot();
            region = snapshot.find(address);
        }
        if (region == null) {
            throw new DmaFaultException("address is not mapped", address, length);
        }
        last = region;
        return region;
    }
}
