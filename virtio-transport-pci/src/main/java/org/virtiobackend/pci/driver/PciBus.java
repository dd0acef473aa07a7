package org.virtiobackend.pci.driver;

import static org.virtiobackend.pci.PciRegisters.*;

import java.io.IOException;
import org.virtiobackend.pci.PciFunction;

/**
 * What firmware does for one function on its own bus: gives each memory BAR an address and switches decoding on. The
 * caller keeps these ranges free of DMA memory.
 */
public final class PciBus {
    /** Where 32-bit BARs go unless the caller says otherwise. */
    public static final long DEFAULT_BASE_32 = 0xe000_0000L;

    /** Where 64-bit BARs go unless the caller says otherwise. */
    public static final long DEFAULT_BASE_64 = 0x80_0000_0000L;

    private final PciDevice device;
    private long next32;
    private long next64;

    /**
     * @param base32 first address for 32-bit BARs
     * @param base64 first address for 64-bit BARs
     */
    public PciBus(PciDevice device, long base32, long base64) {
        this.device = device;
        this.next32 = base32;
        this.next64 = base64;
    }

    /** Assigns every memory BAR that has no address yet, with decoding off, then enables decoding and bus mastering. */
    public void enable() throws IOException {
        int command = (int) device.configRead(COMMAND, 2);
        command(command & ~(COMMAND_MEMORY | COMMAND_MASTER));
        for (int bar = 0; bar < PciFunction.BAR_COUNT; bar++) {
            long size = device.barSize(bar);
            long type = device.configRead(BAR0 + 4 * bar, 4);
            if (size == 0 || (type & BAR_IO) != 0) {
                continue;
            }
            if ((type & BAR_TYPE_MASK) == BAR_TYPE_64) {
                assign64(bar, size);
                bar++;
            } else if ((type & ~0xfL) == 0) {
                next32 = align(next32, size);
                device.configWrite(BAR0 + 4 * bar, 4, next32);
                next32 += size;
            }
        }
        command(command | COMMAND_MEMORY | COMMAND_MASTER);
    }

    private void assign64(int bar, long size) throws IOException {
        if (address(device, bar) == 0) {
            next64 = align(next64, size);
            device.configWrite(BAR0 + 4 * bar, 4, next64 & 0xffff_ffffL);
            device.configWrite(BAR0 + 4 * bar + 4, 4, next64 >>> 32);
            next64 += size;
        }
    }

    private void command(int value) throws IOException {
        device.configWrite(COMMAND, 2, value);
    }

    private static long align(long address, long size) {
        return address + size - 1 & -size;
    }

    /** Bus address of a memory BAR as its registers say. */
    public static long address(PciDevice device, int bar) throws IOException {
        long low = device.configRead(BAR0 + 4 * bar, 4);
        boolean wide = (low & BAR_TYPE_MASK) == BAR_TYPE_64 && bar + 1 < PciFunction.BAR_COUNT;
        long high = wide ? device.configRead(BAR0 + 4 * bar + 4, 4) : 0;
        return low & ~0xfL | high << 32;
    }
}
