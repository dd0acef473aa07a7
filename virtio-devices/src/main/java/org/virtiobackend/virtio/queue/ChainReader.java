package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;

/**
 * The device-readable bytes of a chain as one stream. Copy a header out with the get methods, decide from the copy, then hand
 * the payload on as segments. All methods throw {@link ChainBoundsException} when fewer bytes are left than asked for.
 */
public final class ChainReader extends ChainCursor {
    ChainReader(SegmentList segments) {
        super(segments);
    }

    public int getU8() {
        require(1);
        passEmptySegments();
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
        require(length);
        int done = 0;
        while (done < length) {
            int part = Math.min(length - done, segments.length(segment) - segmentPosition);
            target.put(offset + done, segments.buffer(segment), segments.offset(segment) + segmentPosition, part);
            done += part;
            advance(part);
        }
    }

    /** Where the next bytes lie in the present segment's buffer, now passed; -1 when they are not in one piece. */
    private int direct(int bytes) {
        require(bytes);
        if (segment < segments.count() && segments.length(segment) - segmentPosition >= bytes) {
            int at = segments.offset(segment) + segmentPosition;
            segmentPosition += bytes;
            position += bytes;
            return at;
        }
        return -1;
    }
}
