package org.virtiobackend.pci;

import io.netty.buffer.ByteBuf;

/**
 * One PCI function as a bus sees it: regions to read and write, interrupts to connect, a reset. All methods are called
 * by one control thread; interrupts come from any thread.
 */
public interface PciFunction extends AutoCloseable {
    /** Regions 0 to 5 are the BARs. */
    int BAR_COUNT = 6;
    /** The expansion ROM. */
    int ROM_REGION = 6;
    /** The configuration space. */
    int CONFIG_REGION = 7;
    /** Legacy VGA. */
    int VGA_REGION = 8;

    int REGION_COUNT = 9;

    /** What a region is; {@link PciRegion#ABSENT} for one that does not exist. */
    PciRegion region(int index);

    /**
     * Reads bytes as they are in the region (little-endian registers) and appends them to {@code out}.
     *
     * @param offset bytes; the caller has checked that the range lies inside the region
     * @param length any number of bytes; registers are met by 1, 2, 4 or 8 aligned ones
     */
    void read(int region, long offset, int length, ByteBuf out);

    /** Writes {@code length} bytes, taken from {@code in} at its reader index; like {@link #read}. */
    void write(int region, long offset, int length, ByteBuf in);

    /** Number of MSI-X vectors, 0 when the function has no MSI-X capability. */
    int msixVectors();

    /** Where interrupts go from now on. */
    void connect(InterruptSink sink);

    /**
     * Somebody listens on an MSI-X vector from now on, for the first time or again: what is pending on it can be sent.
     */
    default void vectorConnected(int vector) {}

    /** Whether INTx is asserted now, for a client that has just unmasked it. */
    boolean intxAsserted();

    /** Resets the function as power-on does; returns when it is idle. */
    void reset();

    /** Stops everything and frees what the function owns; returns when it is idle. */
    @Override
    void close();
}
