package org.virtiobackend.pci;

import java.util.List;
import org.virtiobackend.posix.Fd;

/**
 * One region of a function.
 *
 * @param size bytes: a power of two for a BAR, 0 when absent
 * @param memory file that a client may map in place of messages, or null; it stays the function's. Offsets in the file are offsets
 *     in the region
 * @param areas the parts that may be mapped, page aligned and in order; empty: all of it
 */
public record PciRegion(long size, Fd memory, List<Area> areas) {
    public static final PciRegion ABSENT = trapped(0);

    /** Bytes {@code [offset, offset + size)} of a region. */
    public record Area(long offset, long size) {}

    public PciRegion {
        areas = List.copyOf(areas);
    }

    /** A region that may be mapped as a whole. */
    public PciRegion(long size, Fd memory) {
        this(size, memory, List.of());
    }

    /** A region that is only reached by read and write. */
    public static PciRegion trapped(long size) {
        return new PciRegion(size, null);
    }

    public boolean isMappable() {
        return memory != null;
    }
}
