package org.virtiobackend.virtio.queue;

import static org.virtiobackend.virtio.queue.PackedLayout.*;

import org.virtiobackend.dma.RingAccess;

/**
 * Writes used descriptors into a packed ring (virtio 1.4 2.8.4). Nothing of a batch is visible before {@link #publish}: the driver
 * looks at used descriptors in order, so holding back the flags of the first holds back all.
 *
 * <p>In order, one used descriptor stands for a run of chains and names the last (virtio 1.4 2.8.8). A driver takes the others as
 * used completely, so only chains that were can be left out.
 */
final class PackedUsedWriter {
    private final RingAccess desc;
    private final int size;
    private final boolean inOrder;
    private int next;
    private boolean wrap = true;

    /** Where the first used descriptor of the batch goes, and its flags, which are written last; -1: no batch. */
    private int batchAt = -1;

    private int batchFlags;

    /** Where the used descriptor of the open run goes; -1: no run is open. */
    private int runAt = -1;

    private int runFlags;
    private int runId;
    private long runLength;

    PackedUsedWriter(RingAccess desc, int size, boolean inOrder) {
        this.desc = desc;
        this.size = size;
        this.inOrder = inOrder;
    }

    /** Where the next used descriptor goes. */
    int next() {
        return next;
    }

    boolean wrap() {
        return wrap;
    }

    /**
     * Adds a chain.
     *
     * @param length bytes written
     * @param whole that is all of the chain's device-writable part
     * @param descriptors ring descriptors that the chain occupies
     */
    void add(int id, long length, boolean whole, int descriptors) throws VirtqueueException {
        if (runAt < 0) {
            runAt = next;
            runFlags = usedFlags(wrap);
        }
        runId = id;
        runLength = length;
        next += descriptors;
        if (next >= size) {
            next -= size;
            wrap = !wrap;
        }
        if (!inOrder || !whole) {
            endRun();
        }
    }

    private void endRun() throws VirtqueueException {
        int base = runAt * DESCRIPTOR_SIZE;
        int flags = runFlags | (runLength > 0 ? VIRTQ_DESC_F_WRITE : 0);
        desc.putU32(base + DESCRIPTOR_LEN, runLength);
        desc.putU16(base + DESCRIPTOR_ID, runId);
        if (batchAt < 0) {
            batchAt = runAt;
            batchFlags = flags;
            RingIo.flush(desc, base + DESCRIPTOR_LEN, 6);
        } else {
            desc.putU16(base + DESCRIPTOR_FLAGS, flags);
            RingIo.flush(desc, base + DESCRIPTOR_LEN, 8);
        }
        runAt = -1;
    }

    /** Makes everything that was added visible. */
    void publish() throws VirtqueueException {
        if (runAt >= 0) {
            endRun();
        }
        if (batchAt < 0) {
            return;
        }
        int at = batchAt * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS;
        desc.putU16Release(at, batchFlags);
        batchAt = -1;
        RingIo.flush(desc, at, 2);
    }
}
