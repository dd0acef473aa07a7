package org.virtiobackend.virtio.queue;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.IoVec;

/** The device-writable bytes of a chain as one stream. {@link #putU8At} and the like write at a position without moving. */
public final class ChainWriter {
    private final SegmentList segments;
    private long position;
    private int segment;
    private int segmentPosition;

    ChainWriter(SegmentList segments) {
        this.segments = segments;
    }

    void reset() {
        position = 0;
        segment = 0;
        segmentPosition = 0;
    }

    /** Bytes of the whole writable part. */
    public long capacity() {
        return segments.totalBytes();
    }

    public long remaining() {
        return segments.totalBytes() - position;
    }

    /** Bytes written or skipped so far: what {@link DescriptorChain#complete} usually wants. */
    public long position() {
        return position;
    }

    public void putU8(int value) {
        if (remaining() < 1) {
            throw ChainBoundsException.INSTANCE;
        }
        while (segmentPosition == segments.length(segment)) {
            segment++;
            segmentPosition = 0;
        }
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
        if (length > remaining()) {
            throw ChainBoundsException.INSTANCE;
        }
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

    /** The whole writable part, from its start, for system calls. */
    public SegmentList segments() {
        return segments;
    }

    /** Appends {@code length} unwritten bytes to {@code iov} and skips what fitted; returns how many. */
    public long addTo(IoVec iov, long length) {
        if (length > remaining()) {
            throw ChainBoundsException.INSTANCE;
        }
        long added = segments.addTo(iov, position, length);
        skip(added);
        return added;
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
