package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.RingAccess;

/** Follows the descriptors of one chain of a packed ring, each read exactly once. One per queue. */
final class PackedWalker {
    private final RingAccess desc;
    private final int size;
    private final boolean indirect;
    private final ChainBuilder builder;
    private int id;

    PackedWalker(RingAccess desc, int size, boolean indirect, ChainBuilder builder) {
        this.desc = desc;
        this.size = size;
        this.indirect = indirect;
        this.builder = builder;
    }

    /**
     * Reads the descriptors of one chain.
     *
     * @param first where it starts
     * @param firstFlags flags there, which were read already
     * @return how many descriptors it occupies
     */
    int walk(int first, int firstFlags) throws VirtqueueException {
        int at = first;
        int flags = firstFlags;
        int count = 0;
        while (true) {
            int base = at * DESCRIPTOR_SIZE;
            long address = desc.getU64(base + DESCRIPTOR_ADDR);
            long rest = desc.getU64(base + DESCRIPTOR_LEN);
            long length = rest & 0xffff_ffffL;
            if (count > 0) {
                flags = (int) (rest >>> 48);
            }
            // virtio 1.4 2.8.6: the buffer id stands in the last descriptor of the list
            id = (int) (rest >>> 32) & 0xffff;
            count++;
            at = at + 1 == size ? 0 : at + 1;
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                if (count > 1 || (flags & VIRTQ_DESC_F_NEXT) != 0) {
                    throw new VirtqueueException("indirect descriptor inside a list");
                }
                walkTable(address, length);
                return count;
            }
            builder.add(address, length, (flags & VIRTQ_DESC_F_WRITE) != 0);
            if ((flags & VIRTQ_DESC_F_NEXT) == 0) {
                return count;
            }
        }
    }

    /** Buffer id of the chain that was walked last; not checked. */
    int id() {
        return id;
    }

    // virtio 1.4 2.8.7: every entry of the table belongs to the buffer; of its flags only WRITE means anything
    private void walkTable(long address, long length) throws VirtqueueException {
        if (!indirect) {
            throw new VirtqueueException("indirect descriptor without VIRTIO_F_INDIRECT_DESC");
        }
        int entries = builder.openTable(address, length);
        for (int i = 0; i < entries; i++) {
            long entryAddress = builder.tableLong(i * DESCRIPTOR_SIZE + DESCRIPTOR_ADDR);
            long rest = builder.tableLong(i * DESCRIPTOR_SIZE + DESCRIPTOR_LEN);
            int flags = (int) (rest >>> 48);
            if ((flags & VIRTQ_DESC_F_INDIRECT) != 0) {
                throw new VirtqueueException("indirect descriptor inside an indirect table");
            }
            builder.add(entryAddress, rest & 0xffff_ffffL, (flags & VIRTQ_DESC_F_WRITE) != 0);
        }
    }
}
