package org.virtiobackend.pci;

import static org.virtiobackend.pci.PciRegisters.*;

import java.util.Arrays;

/**
 * The six base address registers: which regions they map, their sizing masks, and where each decodes. A window is
 * always derived from the registers as they are, never from a single write: sizing and half-written 64-bit addresses
 * come and go.
 */
public final class BarSet {
    private static final long U32 = 0xffff_ffffL;

    private final ConfigSpace config;
    private final PciRegion[] regions = new PciRegion[PciFunction.BAR_COUNT];
    private final BarWindow[] windows = new BarWindow[PciFunction.BAR_COUNT];
    private final boolean[] wide = new boolean[PciFunction.BAR_COUNT];

    public BarSet(ConfigSpace config) {
        this.config = config;
        Arrays.fill(regions, PciRegion.ABSENT);
    }

    /** Defines a 32-bit, non-prefetchable memory BAR. */
    public void addMemory32(int bar, PciRegion region) {
        check(bar, region);
        config.define(BAR0 + 4 * bar, 4, 0, -region.size() & U32);
        add(bar, region);
    }

    /** Defines a 64-bit prefetchable memory BAR; it takes the next register as well. */
    public void addMemory64(int bar, PciRegion region) {
        check(bar, region);
        if (bar + 1 == PciFunction.BAR_COUNT || windows[bar + 1] != null) {
            throw new IllegalArgumentException("no second register for 64-bit BAR " + bar);
        }
        config.define(BAR0 + 4 * bar, 8, BAR_TYPE_64 | BAR_PREFETCHABLE, -region.size());
        wide[bar] = true;
        add(bar, region);
    }

    private void check(int bar, PciRegion region) {
        if (Long.bitCount(region.size()) != 1 || region.size() < 16) {
            throw new IllegalArgumentException("BAR size " + region.size() + " is not a power of two from 16 on");
        }
        if (windows[bar] != null || bar > 0 && wide[bar - 1]) {
            throw new IllegalArgumentException("BAR " + bar + " is taken");
        }
    }

    private void add(int bar, PciRegion region) {
        regions[bar] = region;
        windows[bar] = new BarWindow(region.size());
    }

    /** What the BAR maps; {@link PciRegion#ABSENT} for none. */
    public PciRegion region(int bar) {
        return regions[bar];
    }

    /** Where the BAR decodes; null when there is no such BAR. */
    public BarWindow window(int bar) {
        return windows[bar];
    }

    /**
     * Brings all windows up to date with the registers.
     *
     * @param memoryEnabled COMMAND.MEM is set and the function is in D0
     */
    void update(boolean memoryEnabled) {
        for (int bar = 0; bar < windows.length; bar++) {
            if (windows[bar] != null) {
                windows[bar].moveTo(memoryEnabled ? address(bar) : 0);
            }
        }
    }

    /** The address in the registers, or 0 when no bus would decode it. */
    private long address(int bar) {
        long size = windows[bar].size();
        long base = config.get(BAR0 + 4 * bar, wide[bar] ? 8 : 4) & -size;
        long last = base + size - 1;
        if (Long.compareUnsigned(last, base) <= 0 || last == -1) {
            return 0;
        }
        if (!wide[bar] && last >= U32) {
            return 0;
        }
        return base;
    }
}
