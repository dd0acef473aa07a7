package org.virtiobackend.virtio.queue.driver;

import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;

/**
 * The three areas of a virtqueue (virtio 1.4 2.6) as its driver has them, and an indirect table for each of its slots when
 * wanted. Both ring layouts give the areas their meaning. The queue owns them until {@link #release}.
 */
final class DriverAreas {
    /** Entries of the indirect table that each slot owns. */
    static final int TABLE_ENTRIES = 16;

    /** Bytes of a descriptor, of a table's too: the same in both layouts. */
    private static final int DESCRIPTOR_SIZE = 16;

    /** Descriptor area. */
    final RingAccess desc = new RingAccess();
    /** Driver area: available ring, or driver event suppression structure. */
    final RingAccess driver = new RingAccess();
    /** Device area: used ring, or device event suppression structure. */
    final RingAccess device = new RingAccess();
    /** Indirect tables, one after the other; detached when there are none. */
    final RingAccess tables = new RingAccess();

    private final DmaBuffer descMemory;
    private final DmaBuffer driverMemory;
    private final DmaBuffer deviceMemory;
    private final DmaBuffer tableMemory;

    /** Bytes of an area and its alignment, in bytes too. */
    record Layout(int bytes, int alignment) {}

    /**
     * @param slots indirect tables wanted; 0 for none
     * @throws IllegalStateException when {@code memory} has no room
     */
    DriverAreas(DriverMemory memory, Layout descLayout, Layout driverLayout, Layout deviceLayout, int slots) {
        descMemory = allocate(memory, descLayout, desc);
        driverMemory = allocate(memory, driverLayout, driver);
        deviceMemory = allocate(memory, deviceLayout, device);
        Layout tableLayout = new Layout(slots * TABLE_ENTRIES * DESCRIPTOR_SIZE, DESCRIPTOR_SIZE);
        tableMemory = slots == 0 ? null : allocate(memory, tableLayout, tables);
    }

    private static DmaBuffer allocate(DriverMemory memory, Layout layout, RingAccess access) {
        DmaBuffer buffer = memory.allocate(layout.bytes, layout.alignment);
        if (buffer == null) {
            throw new IllegalStateException("no memory for a ring area of " + layout.bytes + " bytes");
        }
        access.attachMapped(buffer.memory(), buffer.offset(), layout.bytes);
        return buffer;
    }

    /** Gives the areas back; the device must have been reset before. */
    void release(DriverMemory memory) {
        memory.free(descMemory);
        memory.free(driverMemory);
        memory.free(deviceMemory);
        if (tableMemory != null) {
            memory.free(tableMemory);
        }
    }

    long descAddress() {
        return descMemory.dmaAddress();
    }

    long driverAddress() {
        return driverMemory.dmaAddress();
    }

    long deviceAddress() {
        return deviceMemory.dmaAddress();
    }

    /** Offset of the table that {@code slot} owns, in {@link #tables}. */
    static int tableOffset(int slot) {
        return slot * TABLE_ENTRIES * DESCRIPTOR_SIZE;
    }

    /** What the device is told as the address of that table. */
    long tableAddress(int slot) {
        return tableMemory.dmaAddress() + tableOffset(slot);
    }
}
