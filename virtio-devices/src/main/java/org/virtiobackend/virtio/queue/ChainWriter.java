package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;

/**
 * The device-writable bytes of a chain as one stream; its position is what {@link DescriptorChain#complete} usually wants.
 * All methods throw {@link ChainBoundsException} when there is less room than asked for.
 */
public final class ChainWriter extends ChainCursor {
    ChainWriter(SegmentList segments) {
        super(segments);
    }

    /** Bytes of the whole writable part. */
    public long capacity() {
        return limit;
    }

    public void putU8(int value) {
        require(1);
        passEmptySegments();
        segments.buffer(segment).put(segments.offset(segment) + segmentPosition, (byte) value);
        segmentPosition++;
        position++;
    }

    public void putU16(int value) {
        putU8(value);
        putU8(value >>> 8);
    }

    public void putU32(long value) {
        putU16((int) value);
        putU16((int) (value >>> 16));
    }

    public void putU64(long value) {
        putU32(value);
        putU32(value >>> 32);
    }

    /** Copies bytes in from {@code [offset, offset + length)} of {@code source}; its position and limit stay. */
    public void put(ByteBuffer source, int offset, int length) {
        require(length);
        int done = 0;
        while (done < length) {
            int part = Math.min(length - done, segments.length(segment) - segmentPosition);
            segments.buffer(segment).put(segments.offset(segment) + segmentPosition, source, offset + done, part);
            done += part;
            advance(part);
        }
    }

    /** Writes zeros. */
    public void putZeros(long length) {
        for (long i = 0; i < length; i++) {
            putU8(0);
        }
    }

    /** Writes one byte at an absolute position of the writable part; the stream position stays. */
    public void putU8At(long at, int value) {
        long left = at;
        for (int i = 0; i < segments.count(); i++) {
            int length = segments.length(i);
            if (left < length) {
                segments.buffer(i).put(segments.offset(i) + (int) left, (byte) value);
                return;
            }
            left -= length;
        }
        throw ChainBoundsException.INSTANCE;
    }
}
