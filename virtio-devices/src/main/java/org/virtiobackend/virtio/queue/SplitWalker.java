package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.SplitLayout.*;

import org.virtiobackend.dma.RingAccess;

/** Follows the descriptors of one chain of a split ring, each read exactly once. One per queue. */
final class SplitWalker {
    private final RingAccess desc;
    private final int size;
    private final boolean indirect;
    private final ChainBuilder builder;

    SplitWalker(RingAccess desc, int size, boolean indirect, ChainBuilder builder) {
        this.desc = desc;
        this.size = size;
        this.indirect = indirect;
        this.builder = builder;
    }

    /** Walks a chain once; returns how many ring descriptors it occupies. */
    int walk(int head) throws VirtqueueException {
        int index = head;
        int count = 0;
        while (true) {
            int at = index * DESCRIPTOR_SIZE;
            long address = desc.getU64(at + DESCRIPTOR_ADDR);
            long rest = desc.getU64(at + DESCRIPTOR_LEN);
            long length = rest & 0xffff_ffffL;
            int flags = (int) (rest >>> 32) & 0xffff;
            count++;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                walkTable(address, length, flags);
                return count;
            }
            builder.add(address, length, (flags & VIRTQ_DESC_F_WRITE) != 0);
            if ((flags & VIRTQ_DESC_F_NEXT) == 0) {
                return count;
            }
            index = (int) (rest >>> 48);
            if (index >= size) {
                throw new VirtqueueException("next descriptor " + index + " in a queue of " + size);
            }
        }
    }

    // virtio 1.4 2.7.5.3.2: the write flag of the descriptor that names the table is ignored
    private void walkTable(long address, long length, int tableFlags) throws VirtqueueException {
        if (!indirect) {
            throw new VirtqueueException("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
        }
        if ((tableFlags & VIRTQ_DESC_F_NEXT) != 0) {
            throw new VirtqueueException("descriptor with both INDIRECT and NEXT");
        }
        int entries = builder.openTable(address, length);
        int index = 0;
        while (true) {
            int at = index * DESCRIPTOR_SIZE;
            long entryAddress = builder.tableLong(at + DESCRIPTOR_ADDR);
            long rest = builder.tableLong(at + DESCRIPTOR_LEN);
            int flags = (int) (rest >>> 32) & 0xffff;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                throw new VirtqueueException("indirect descriptor inside an indirect table");
            }
            builder.add(entryAddress, rest & 0xffff_ffffL, (flags & VIRTQ_DESC_F_WRITE) != 0);
            if ((flags & VIRTQ_DESC_F_NEXT) == 0) {
                return;
            }
            index = (int) (rest >>> 48);
            if (index >= entries) {
                throw new VirtqueueException("next descriptor " + index + " in an indirect table of " + entries);
            }
        }
    }
}
