package org.virtiobackend.conformance.mutation;

import org.virtiobackend.dma.SegmentList;

/** Bytes of a chain, in place. */
final class Bytes {
    private final SegmentList segments;

    Bytes(SegmentList segments) {
        this.segments = segments;
    }

    int length() {
        return (int) segments.totalBytes();
    }

    int get(int at) {
        int segment = segment(at);
        return segments.buffer(segment).get(segments.offset(segment) + at - start(segment)) & 0xff;
    }

    void put(int at, int value) {
        int segment = segment(at);
        segments.buffer(segment).put(segments.offset(segment) + at - start(segment), (byte) value);
    }

    int get16(int at) {
        return get(at) | get(at + 1) << 8;
    }

    void put16(int at, int value) {
        put(at, value);
        put(at + 1, value >>> 8);
    }

    private int segment(int at) {
        int segment = 0;
        for (int left = at - segments.length(0); left >= 0; left -= segments.length(segment)) {
            segment++;
        }
        return segment;
    }

    private int start(int segment) {
        int start = 0;
        for (int i = 0; i < segment; i++) {
            start += segments.length(i);
        }
        return start;
    }
}
