package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciCapabilities;

/**
 * A vendor capability as it stands in the configuration space (virtio 1.4 4.1.4), sound or not.
 *
 * @param at where it starts
 * @param size cap_len
 * @param start offset in the BAR, high half included where the type has one
 * @param multiplier of a notification capability, otherwise 0
 */
record VirtioCapability(int at, int size, int type, int bar, int id, long start, long length, long multiplier) {
    static final int SWIOTLB = 10;

    /** All of them in list order. */
    static List<VirtioCapability> list(Bench bench) throws IOException {
        List<VirtioCapability> found = new ArrayList<>();
        for (PciCapabilities.Capability capability : bench.capabilities()) {
            if (capability.id() == PciRegisters.CAP_ID_VENDOR) {
                found.add(read(bench, capability.offset()));
            }
        }
        return found;
    }

    static List<VirtioCapability> list(Bench bench, int type) throws IOException {
        return list(bench).stream().filter(c -> c.type == type).toList();
    }

    private static VirtioCapability read(Bench bench, int at) throws IOException {
        int size = (int) bench.pci().configRead(at + CAP_LEN, 1);
        int type = (int) bench.pci().configRead(at + CFG_TYPE, 1);
        long start = bench.pci().configRead(at + OFFSET, 4);
        long length = bench.pci().configRead(at + LENGTH, 4);
        if (type == VIRTIO_PCI_CAP_SHARED_MEMORY_CFG || type == SWIOTLB && size >= SIZE_64) {
            start |= bench.pci().configRead(at + OFFSET_HI, 4) << 32;
            length |= bench.pci().configRead(at + LENGTH_HI, 4) << 32;
        }
        long multiplier = type == VIRTIO_PCI_CAP_NOTIFY_CFG ? bench.pci().configRead(at + NOTIFY_OFF_MULTIPLIER, 4) : 0;
        int bar = (int) bench.pci().configRead(at + BAR, 1);
        int id = (int) bench.pci().configRead(at + ID, 1);
        return new VirtioCapability(at, size, type, bar, id, start, length, multiplier);
    }

    /** cap_len of a capability of this type, at least. */
    int leastSize() {
        return switch (type) {
            case VIRTIO_PCI_CAP_NOTIFY_CFG -> NOTIFY_SIZE;
            case VIRTIO_PCI_CAP_PCI_CFG -> PCI_CFG_SIZE;
            case VIRTIO_PCI_CAP_SHARED_MEMORY_CFG -> SIZE_64;
            case VIRTIO_PCI_CAP_VENDOR_CFG -> 8;
            default -> SIZE;
        };
    }

    /** Whether it names a part of a BAR that exists. */
    boolean isInsideBar(Bench bench) throws IOException {
        if (bar > 5) {
            return false;
        }
        long size = bench.pci().barSize(bar);
        return start >= 0 && length > 0 && start <= size && length <= size - start;
    }

    boolean overlaps(VirtioCapability other) {
        return bar == other.bar && start < other.start + other.length && other.start < start + length;
    }
}
