package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.IoVec;

/**
 * The device-readable bytes of a chain as one stream, whatever the framing (virtio 1.4 2.7.4). Copy a header out with the get
 * methods, decide from the copy, then hand the payload on as segments.
 */
public final class ChainReader {
    private final SegmentList segments;
    private long position;
    private long limit;
    private int segment;
    private int segmentPosition;

    ChainReader(SegmentList segments) {
        this.segments = segments;
    }

    void reset() {
        position = 0;
        segment = 0;
        segmentPosition = 0;
        limit = segments.totalBytes();
    }

    /** Bytes not yet read. */
    public long remaining() {
        return limit - position;
    }

    /** Bytes read so far. */
    public long position() {
        return position;
    }

    /** @throws ChainBoundsException when nothing is left */
    public int getU8() {
        if (position >= limit) {
            throw ChainBoundsException.INSTANCE;
        }
        while (segmentPosition == segments.length(segment)) {
            segment++;
            segmentPosition = 0;
        }
        int value = segments.buffer(segment).get(segments.offset(segment) + segmentPosition) & 0xff;
        segmentPosition++;
        position++;
        return value;
    }

    public int getU16() {
        int at = direct(2);
        if (at >= 0) {
            return segments.buffer(segment).getShort(at) & 0xffff;
        }
        return getU8() | getU8() << 8;
    }

    public long getU32() {
        int at = direct(4);
        if (at >= 0) {
            return segments.buffer(segment).getInt(at) & 0xffff_ffffL;
        }
        return getU16() | (long) getU16() << 16;
    }

    public long getU64() {
        int at = direct(8);
        if (at >= 0) {
            return segments.buffer(segment).getLong(at);
        }
        return getU32() | getU32() << 32;
    }

    /** Copies bytes out to {@code [offset, offset + length)} of {@code target}; its position and limit stay. */
    public void get(ByteBuffer target, int offset, int length) {
        if (length > remaining()) {
            throw ChainBoundsException.INSTANCE;
        }
        int done = 0;
        while (done < length) {
            int part = Math.min(length - done, segments.length(segment) - segmentPosition);
            target.put(offset + done, segments.buffer(segment), segments.offset(segment) + segmentPosition, part);
            done += part;
            advance(part);
        }
    }

    public void skip(long bytes) {
        if (bytes > remaining()) {
            throw ChainBoundsException.INSTANCE;
        }
        long left = bytes;
        while (left > 0) {
            int part = (int) Math.min(left, segments.length(segment) - segmentPosition);
            left -= part;
            advance(part);
        }
    }

    /** The whole readable part, from its start, for system calls; {@link #position} tells what was read already. */
    public SegmentList segments() {
        return segments;
    }

    /** Appends {@code length} unread bytes to {@code iov} and skips what fitted; returns how many. */
    public long addTo(IoVec iov, long length) {
        if (length > remaining()) {
            throw ChainBoundsException.INSTANCE;
        }
        long added = segments.addTo(iov, position, length);
        skip(added);
        return added;
    }

    private int direct(int bytes) {
        if (position + bytes > limit) {
            throw ChainBoundsException.INSTANCE;
        }
        if (segment < segments.count() && segments.length(segment) - segmentPosition >= bytes) {
            int at = segments.offset(segment) + segmentPosition;
            segmentPosition += bytes;
            position += bytes;
            return at;
        }
        return -1;
    }

    private void advance(int bytes) {
        position += bytes;
        segmentPosition += bytes;
        if (segmentPosition == segments.length(segment)) {
            segment++;
            segmentPosition = 0;
        }
    }
}
