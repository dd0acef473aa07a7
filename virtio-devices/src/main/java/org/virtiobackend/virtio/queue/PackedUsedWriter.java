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

    /** Used descriptors of the batch that a ring behind messages does not have yet: their places, and all behind the address. */
    private int[] keptAt = {};

    private long[] kept = {};
    private int keptCount;
    /** So many of them were sent, and whether they have arrived is not known. */
    private int unsure;

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
    void add(int id, long length, boolean whole, int descriptors) {
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

    private void endRun() {
        int flags = runFlags | (runLength > 0 ? VIRTQ_DESC_F_WRITE : 0);
        boolean first = batchAt < 0;
        if (first) {
            batchAt = runAt;
            batchFlags = flags;
        }
        if (desc.isRemote()) {
            keep(runAt, runLength | (long) runId << 32 | (long) flags << 48);
        } else {
            int base = runAt * DESCRIPTOR_SIZE;
            desc.putU32(base + DESCRIPTOR_LEN, runLength);
            desc.putU16(base + DESCRIPTOR_ID, runId);
            if (!first) {
                desc.putU16(base + DESCRIPTOR_FLAGS, flags);
            }
        }
        runAt = -1;
    }

    /** The copy of the ring is fetched again and again, so it is no place to keep them. */
    private void keep(int at, long lengthIdFlags) {
        if (kept.length == 0) {
            keptAt = new int[size];
            kept = new long[size];
        }
        keptAt[keptCount] = at;
        kept[keptCount++] = lengthIdFlags;
    }

    /** All but the flags of the first. Can be done again. */
    private void bringOut() throws VirtqueueException {
        for (int i = 0; i < keptCount; i++) {
            int at = keptAt[i] * DESCRIPTOR_SIZE + DESCRIPTOR_LEN;
            if (i == 0) {
                desc.putU32(at, kept[i]);
                desc.putU16(at + 4, (int) (kept[i] >>> 32));
            } else {
                desc.putU64(at, kept[i]);
            }
            RingIo.flush(desc, at, i == 0 ? 6 : 8);
        }
    }

    /** Makes everything that was added visible. Can be done again when the ring could not be reached. */
    void publish() throws VirtqueueException {
        if (runAt >= 0) {
            endRun();
        }
        if (batchAt < 0) {
            return;
        }
        if (unsure > 0 && hasArrived()) {
            dropArrived();
        }
        if (batchAt >= 0) {
            show();
        }
        unsure = 0;
        keptCount = 0;
        batchAt = -1;
    }

    private void show() throws VirtqueueException {
        bringOut();
        int at = batchAt * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS;
        desc.putU16Release(at, batchFlags);
        unsure = keptCount;
        RingIo.flush(desc, at, 2);
    }

    /** Whether the driver's flags are gone from the first place. Then it may have used the places again, and nothing may go there once more. */
    private boolean hasArrived() throws VirtqueueException {
        int at = batchAt * DESCRIPTOR_SIZE + DESCRIPTOR_FLAGS;
        RingIo.fetch(desc, at, 2);
        return !isAvailable(desc.getU16(at), (batchFlags & VIRTQ_DESC_F_USED) != 0);
    }

    /** What was added since then is a batch of its own. */
    private void dropArrived() {
        keptCount -= unsure;
        System.arraycopy(kept, unsure, kept, 0, keptCount);
        System.arraycopy(keptAt, unsure, keptAt, 0, keptCount);
        unsure = 0;
        batchAt = keptCount > 0 ? keptAt[0] : -1;
        batchFlags = (int) (kept[0] >>> 48);
    }
}
