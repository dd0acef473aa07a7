package org.virtiobackend.pci;

/**
 * Where a memory BAR is on the bus at the moment. Follows the configuration registers: updated by the control thread
 * with every change of a BAR, of COMMAND or of the power state; one volatile read for everybody else.
 */
public final class BarWindow {
    private final long size;
    private volatile long base;

    /** @param size bytes, a power of two */
    public BarWindow(long size) {
        this.size = size;
    }

    /** Bytes, a power of two; constant. */
    public long size() {
        return size;
    }

    /**
     * Bus address of the first byte, or 0 when the BAR does not decode now: no BAR decodes at address 0. Take it once
     * per lookup, the next read may differ.
     */
    public long base() {
        return base;
    }

    /** Whether bus accesses reach the BAR now. */
    public boolean decodes() {
        return base != 0;
    }

    /** Called by whoever follows the registers; 0 for not decoding. */
    public void moveTo(long newBase) {
        base = newBase;
    }
}
