package org.virtiobackend.pci.driver;

import static org.virtiobackend.pci.PciRegisters.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Walks a function's capability list; ends for any list that a device can come up with. */
public final class PciCapabilities {
    /**
     * One entry.
     *
     * @param offset in the configuration space, a multiple of 4 from 0x40 to 0xfc
     */
    public record Capability(int id, int offset) {}

    private PciCapabilities() {}

    /** The conventional capabilities in list order; stops at a link that leads out of their space or back. */
    public static List<Capability> list(PciDevice device) throws IOException {
        List<Capability> found = new ArrayList<>();
        if ((device.configRead(STATUS, 2) & STATUS_CAP_LIST) == 0) {
            return found;
        }
        boolean[] seen = new boolean[CONVENTIONAL_SIZE];
        int at = (int) device.configRead(CAPABILITIES_POINTER, 1) & ~3;
        while (at >= FIRST_CAPABILITY && !seen[at]) {
            seen[at] = true;
            int header = (int) device.configRead(at, 2);
            found.add(new Capability(header & 0xff, at));
            at = header >>> 8 & ~3;
        }
        return found;
    }

    /** Offset of the first capability with this id, or -1. */
    public static int find(List<Capability> list, int id) {
        for (Capability capability : list) {
            if (capability.id() == id) {
                return capability.offset();
            }
        }
        return -1;
    }
}
