package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * The receive buffers into which the next frame goes: the first chains of a queue, in order. Chains stay only for one batch; what
 * is left over goes back unused.
 */
final class ReceiveWindow {
    /** What {@link #grow} found. */
    enum Growth {
        MORE,
        /** The driver has to make buffers available first. */
        EMPTY,
        /** As EMPTY, but half of what the queue can hold is here: the driver may first want some of that back. */
        HALF,
        /** The next buffer is too small for a header: nothing can follow those that are here. */
        UNUSABLE
    }

    private final int headerBytes;
    private final NetCounters counters;
    private DescriptorChain[] chains = new DescriptorChain[8];
    private int first;
    private int count;
    private long bytes;
    private int descriptors;
    private int skipped;
    private int maySkip;

    ReceiveWindow(int headerBytes, NetCounters counters) {
        this.headerBytes = headerBytes;
        this.counters = counters;
    }

    /** @param most buffers that may be passed over in this batch as too small */
    void begin(int most) {
        skipped = 0;
        maySkip = most;
    }

    /** Buffers passed over in this batch: with any, there may be others although the queue seemed empty. */
    int skipped() {
        return skipped;
    }

    /** Takes one more chain. */
    Growth grow(Virtqueue queue) throws VirtqueueException {
        while (skipped < maySkip) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                return Growth.EMPTY;
            }
            if (chain.writable().capacity() >= headerBytes) {
                append(chain);
                return Growth.MORE;
            }
            // virtio 1.4 5.1.9.3.1: each buffer is at least as long as the header
            if (count > 0) {
                queue.unpoll(chain);
                return Growth.UNUSABLE;
            }
            counters.countMalformed();
            chain.complete(0);
            skipped++;
        }
        return Growth.EMPTY;
    }

    boolean isEmpty() {
        return count == 0;
    }

    /** Bytes of all chains, those of the header included. */
    long bytes() {
        return bytes;
    }

    /** Descriptors that the chains occupy in the ring. */
    int descriptors() {
        return descriptors;
    }

    /** Appends everything behind the header to {@code iov}, as far as it fits; returns how many bytes. */
    long addTo(IoVec iov) {
        long added = 0;
        for (int i = 0; i < count; i++) {
            DescriptorChain chain = chains[first + i];
            long skip = i == 0 ? headerBytes : 0;
            long length = chain.writable().capacity() - skip;
            long fitted = chain.writable().segments().addTo(iov, skip, length);
            added += fitted;
            if (fitted < length) {
                break;
            }
        }
        return added;
    }

    /** Copies the first {@code length} bytes behind the header; they are in the chains. */
    void copyOut(ByteBuffer target, int at, int length) {
        int done = 0;
        for (int i = 0; done < length; i++) {
            SegmentList segments = chains[first + i].writable().segments();
            done += SegmentCopy.copyOut(segments, i == 0 ? headerBytes : 0, target, at + done, length - done);
        }
    }

    /** Writes the header to the start of the first chain. */
    void writeHeader(ByteBuffer header, int length) {
        SegmentList segments = chains[first].writable().segments();
        int done = 0;
        for (int s = 0; done < length; s++) {
            int part = Math.min(segments.length(s), length - done);
            segments.buffer(s).put(segments.offset(s), header, done, part);
            done += part;
        }
    }

    DescriptorChain chain(int index) {
        return chains[first + index];
    }

    int count() {
        return count;
    }

    /** Removes the first chain, which its user completes. */
    DescriptorChain take() {
        DescriptorChain chain = chains[first];
        chains[first] = null;
        first++;
        count--;
        bytes -= chain.writable().capacity();
        descriptors -= chain.descriptorCount();
        if (count == 0) {
            first = 0;
        }
        return chain;
    }

    /** Gives back what was not used, last taken first. */
    void giveBack(Virtqueue queue) {
        while (count > 0) {
            count--;
            queue.unpoll(chains[first + count]);
            chains[first + count] = null;
        }
        first = 0;
        bytes = 0;
        descriptors = 0;
    }

    private void append(DescriptorChain chain) {
        if (first + count == chains.length) {
            makeRoom();
        }
        chains[first + count] = chain;
        count++;
        bytes += chain.writable().capacity();
        descriptors += chain.descriptorCount();
    }

    private void makeRoom() {
        DescriptorChain[] target = count * 2 > chains.length ? new DescriptorChain[chains.length * 2] : chains;
        System.arraycopy(chains, first, target, 0, count);
        for (int i = count; i < first + count && i < target.length; i++) {
            target[i] = null;
        }
        chains = target;
        first = 0;
    }
}
