package org.virtiobackend.virtio.queue;

import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.IoVec;

/** A position in one part of a chain, the readable or the writable one, whatever the framing (virtio 1.4 2.7.4). */
abstract class ChainCursor {
    final SegmentList segments;
    long position;
    long limit;
    int segment;
    int segmentPosition;

    ChainCursor(SegmentList segments) {
        this.segments = segments;
    }

    final void reset() {
        position = 0;
        segment = 0;
        segmentPosition = 0;
        limit = segments.totalBytes();
    }

    /** Bytes not yet passed. */
    public final long remaining() {
        return limit - position;
    }

    /** Bytes passed so far. */
    public final long position() {
        return position;
    }

    /** @throws ChainBoundsException when fewer are left */
    public final void skip(long bytes) {
        require(bytes);
        long left = bytes;
        while (left > 0) {
            int part = (int) Math.min(left, segments.length(segment) - segmentPosition);
            left -= part;
            advance(part);
        }
    }

    /** The whole part, from its start, for system calls; {@link #position} tells what was passed already. */
    public final SegmentList segments() {
        return segments;
    }

    /**
     * Appends the next {@code length} bytes to {@code iov} and skips what fitted; returns how many.
     *
     * @throws ChainBoundsException when fewer are left
     */
    public final long addTo(IoVec iov, long length) {
        require(length);
        long added = segments.addTo(iov, position, length);
        skip(added);
        return added;
    }

    final void require(long bytes) {
        if (bytes > limit - position) {
            throw ChainBoundsException.INSTANCE;
        }
    }

    /** Of the present segment, at most what it holds. */
    final void advance(int bytes) {
        position += bytes;
        segmentPosition += bytes;
        if (segmentPosition == segments.length(segment)) {
            segment++;
            segmentPosition = 0;
        }
    }

    /** Before a single byte: segments may be empty. */
    final void passEmptySegments() {
        while (segmentPosition == segments.length(segment)) {
            segment++;
            segmentPosition = 0;
        }
    }
}
