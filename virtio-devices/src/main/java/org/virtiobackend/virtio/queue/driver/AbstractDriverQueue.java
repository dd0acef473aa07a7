package org.virtiobackend.virtio.queue.driver;

import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.VirtioFeature;

/** What the driver sides of both layouts have in common: areas, free descriptors, the order of submission. */
abstract class AbstractDriverQueue implements DriverVirtqueue {
    final int size;
    final boolean indirect;
    final boolean eventIdx;
    final DriverAreas areas;

    /** Null without IN_ORDER. */
    final SubmissionOrder order;
    /** Writable bytes of the buffer with this id or head; kept in order only. */
    private final long[] writableBytes;

    /** Descriptors of the ring that the driver owns. */
    int free;

    private final int index;
    private final long[] addresses;
    private final int[] lengths;
    private long usedLength;
    private long batchLength;

    AbstractDriverQueue(int index, int size, long features, DriverAreas areas) {
        this.index = index;
        this.size = size;
        this.indirect = isIndirect(features);
        this.eventIdx = (features & VirtioFeature.VIRTIO_F_EVENT_IDX) != 0;
        this.areas = areas;
        this.order = (features & VirtioFeature.VIRTIO_F_IN_ORDER) != 0 ? new SubmissionOrder(size) : null;
        this.writableBytes = new long[size];
        this.addresses = new long[size];
        this.lengths = new int[size];
        this.free = size;
    }

    static boolean isIndirect(long features) {
        return (features & VirtioFeature.VIRTIO_F_INDIRECT_DESC) != 0;
    }

    /** Gives the areas back; the device must have been reset before. */
    public final void release(DriverMemory memory) {
        areas.release(memory);
    }

    public final int index() {
        return index;
    }

    @Override
    public final int size() {
        return size;
    }

    @Override
    public final int freeDescriptors() {
        return free;
    }

    @Override
    public final int add(DmaBuffer[] readable, int readableCount, DmaBuffer[] writable, int writableCount) {
        if (readableCount + writableCount > size) {
            return -1;
        }
        DriverRings.flatten(readable, readableCount, addresses, lengths, 0);
        DriverRings.flatten(writable, writableCount, addresses, lengths, readableCount);
        return add(addresses, lengths, readableCount, writableCount);
    }

    /** Whether a buffer of so many descriptors goes into a table. */
    final boolean usesTable(int count) {
        return indirect && count > 1 && count <= DriverAreas.TABLE_ENTRIES;
    }

    /** Remembers a buffer for the order in which it has to come back. */
    final void submitted(int id, int[] lengths, int readableCount, int count) {
        if (order != null) {
            order.add(id);
            writableBytes[id] = DriverRings.total(lengths, readableCount, count);
        }
    }

    final void usedLength(long length) {
        usedLength = length;
    }

    /** In order: a used entry names the last of the buffers that it stands for, and how much of that one was written. */
    final void beginBatch(long lastId, int most, long length) {
        order.begin(lastId, most);
        batchLength = length;
    }

    /** The next buffer of the batch. */
    final int takeInOrder() {
        int id = order.take();
        usedLength = order.batch() == 0 ? batchLength : writableBytes[id];
        return id;
    }

    /** Whether buffers are left of a batch that came back in order. */
    final boolean isInBatch() {
        return order != null && order.batch() > 0;
    }

    @Override
    public final long usedLength() {
        return usedLength;
    }

    @Override
    public final long queueDesc() {
        return areas.descAddress();
    }

    @Override
    public final long queueDriver() {
        return areas.driverAddress();
    }

    @Override
    public final long queueDevice() {
        return areas.deviceAddress();
    }
}
