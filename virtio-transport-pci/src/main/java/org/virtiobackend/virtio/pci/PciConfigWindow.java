package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import org.virtiobackend.pci.ConfigSpace;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegion;

/**
 * The PCI configuration access capability (virtio 1.4 4.1.4.9): a window of 1, 2 or 4 bytes into the BARs, through the
 * configuration space. Everything but an aligned access inside a BAR that holds virtio structures does nothing and
 * reads 0.
 */
final class PciConfigWindow {
    /** The BARs that it reaches. */
    interface Bars {
        PciRegion region(int bar);

        void read(int bar, long offset, int length, ByteBuf out);

        void write(int bar, long offset, int length, ByteBuf in);
    }

    private static final int DATA_SIZE = 4;
    private static final int WIDEST_ACCESS = 8;

    private final ConfigSpace config;
    private final int capability;
    private final Bars bars;
    private final ByteBuf scratch = Unpooled.buffer(DATA_SIZE, DATA_SIZE);

    /** @param capability offset of the capability, already on the list */
    PciConfigWindow(ConfigSpace config, int capability, Bars bars) {
        this.config = config;
        this.capability = capability;
        this.bars = bars;
        config.define(capability + BAR, 1, 0, 0xff);
        config.define(capability + OFFSET, 4, 0, -1);
        config.define(capability + LENGTH, 4, 0, -1);
        config.define(capability + PCI_CFG_DATA, DATA_SIZE, 0, -1);
    }

    /**
     * Called before a read of the configuration space: fetches the data when they are read. A read longer than a bus
     * makes is a client taking a copy of the whole space, which must have no effect.
     */
    void beforeRead(long offset, int length) {
        if (!touchesData(offset, length) || length > WIDEST_ACCESS) {
            return;
        }
        config.set(capability + PCI_CFG_DATA, DATA_SIZE, 0);
        int width = width();
        if (width > 0) {
            scratch.clear();
            bars.read(bar(), offset(), width, scratch);
            config.set(capability + PCI_CFG_DATA, width, value(width));
        }
    }

    /** Called after a write of the configuration space: passes the data on when they were written. */
    void afterWrite(long offset, int length) {
        int width = touchesData(offset, length) ? width() : 0;
        if (width > 0) {
            scratch.clear();
            for (int i = 0; i < width; i++) {
                scratch.writeByte(config.get(capability + PCI_CFG_DATA + i));
            }
            bars.write(bar(), offset(), width, scratch);
        }
    }

    private long value(int width) {
        long value = 0;
        for (int i = 0; i < width; i++) {
            value |= (long) scratch.readUnsignedByte() << (8 * i);
        }
        return value;
    }

    private boolean touchesData(long offset, int length) {
        long data = capability + PCI_CFG_DATA;
        return offset < data + DATA_SIZE && data < offset + length;
    }

    /** Bytes of the access that the registers describe, 0 when they describe none. */
    private int width() {
        long width = config.get(capability + LENGTH, 4);
        if (width != 1 && width != 2 && width != 4 || bar() >= PciFunction.BAR_COUNT || offset() % width != 0) {
            return 0;
        }
        return offset() <= bars.region(bar()).size() - width ? (int) width : 0;
    }

    private int bar() {
        return config.get(capability + BAR);
    }

    private long offset() {
        return config.get(capability + OFFSET, 4);
    }
}
