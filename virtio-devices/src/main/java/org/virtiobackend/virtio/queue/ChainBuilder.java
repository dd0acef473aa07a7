package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.SegmentList;

/**
 * The rules that every chain obeys whatever the ring layout: readable before writable, no more descriptors than the queue has,
 * at most 2^32 bytes, every byte in memory that the device may touch. Also opens indirect tables. One per queue.
 */
final class ChainBuilder {
    private static final long MAX_CHAIN_BYTES = 1L << 32;

    private final DmaSpace space;
    private final int maxDescriptors;
    private final SegmentList tableSegments = new SegmentList();
    private final ByteBuffer tableCopy;

    private DescriptorChain chain;
    private int descriptors;
    private long bytes;
    private boolean writableSeen;
    private ByteBuffer table;
    private int tableBase;

    ChainBuilder(DmaSpace space, int maxDescriptors) {
        this.space = space;
        this.maxDescriptors = maxDescriptors;
        this.tableCopy = ByteBuffer.allocateDirect(maxDescriptors * SplitLayout.DESCRIPTOR_SIZE)
                .order(ByteOrder.LITTLE_ENDIAN);
    }

    void begin(DescriptorChain target) {
        chain = target;
        descriptors = 0;
        bytes = 0;
        writableSeen = false;
    }

    /** Adds one descriptor, already read into locals. */
    void add(long address, long length, boolean writable) throws VirtqueueException {
        if (++descriptors > maxDescriptors) {
            // virtio 1.4 2.7.5.3.1: a chain longer than the queue is a loop or a driver bug
            throw new VirtqueueException("descriptor chain has more than " + maxDescriptors + " descriptors");
        }
        bytes += length;
        if (bytes > MAX_CHAIN_BYTES) {
            throw new VirtqueueException("descriptor chain is longer than 2^32 bytes");
        }
        if (writable) {
            writableSeen = true;
        } else if (writableSeen) {
            // virtio 1.4 2.7.4.2: device-writable elements come after all device-readable ones
            throw new VirtqueueException("device-readable descriptor after a device-writable one");
        }
        if (length == 0) {
            return;
        }
        try {
            if (writable) {
                space.map(address, length, DmaAccess.WRITE, chain.writableSegments());
            } else {
                space.map(address, length, DmaAccess.READ, chain.readableSegments());
            }
        } catch (DmaFaultException e) {
            throw VirtqueueException.of("buffer", e);
        }
    }

    /**
     * Opens an indirect table; its entries are then read with {@link #tableLong}.
     *
     * @return number of entries
     */
    int openTable(long address, long length) throws VirtqueueException {
        if (length == 0 || length % SplitLayout.DESCRIPTOR_SIZE != 0) {
            throw new VirtqueueException("indirect table of " + length + " bytes");
        }
        long entries = length / SplitLayout.DESCRIPTOR_SIZE;
        if (entries > maxDescriptors) {
            throw new VirtqueueException(
                    "indirect table of " + entries + " descriptors in a queue of " + maxDescriptors);
        }
        tableSegments.clear();
        try {
            space.map(address, length, DmaAccess.READ, tableSegments);
        } catch (DmaFaultException e) {
            throw VirtqueueException.of("indirect table", e);
        }
        if (tableSegments.count() == 1) {
            table = tableSegments.buffer(0);
            tableBase = tableSegments.offset(0);
        } else {
            copyTable();
        }
        return (int) entries;
    }

    /** Eight bytes of the open table, at a byte offset. Read each place once. */
    long tableLong(int offset) {
        return table.getLong(tableBase + offset);
    }

    void finish(int ringDescriptors) {
        chain.ready(ringDescriptors);
        chain = null;
    }

    private void copyTable() {
        int at = 0;
        for (int i = 0; i < tableSegments.count(); i++) {
            int length = tableSegments.length(i);
            tableCopy.put(at, tableSegments.buffer(i), tableSegments.offset(i), length);
            at += length;
        }
        table = tableCopy;
        tableBase = 0;
    }
}
