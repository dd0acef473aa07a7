package org.virtiobackend.vfiouser.client;

import java.util.List;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.wire.RegionInfoPayload;

/**
 * Answer to DEVICE_GET_REGION_INFO.
 *
 * @param flags see {@link RegionInfoPayload}
 * @param size bytes
 * @param fileOffset where the region starts in the file
 * @param areas the parts that may be mapped; empty: all of it, or nothing without the MMAP flag
 * @param memory the file, or null; closed with this object
 */
public record RegionInfo(int flags, long size, long fileOffset, List<PciRegion.Area> areas, Fd memory)
        implements AutoCloseable {
    public boolean isMappable() {
        return (flags & RegionInfoPayload.FLAG_MMAP) != 0 && memory != null;
    }

    /** Whether one mapping can cover the whole region. */
    public boolean isWhollyMappable() {
        return isMappable() && (areas.isEmpty() || areas.equals(List.of(new PciRegion.Area(0, size))));
    }

    @Override
    public void close() {
        if (memory != null) {
            memory.close();
        }
    }
}
