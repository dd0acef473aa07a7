package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import org.virtiobackend.dma.SegmentList;

/** Copies bytes out of shared memory. */
final class SegmentCopy {
    private SegmentCopy() {}

    /**
     * Copies {@code length} bytes from position {@code from} of the list, or as many as there are.
     *
     * @return bytes copied
     */
    static int copyOut(SegmentList segments, int from, ByteBuffer target, int at, int length) {
        int skip = from;
        int done = 0;
        for (int i = 0; i < segments.count() && done < length; i++) {
            int size = segments.length(i);
            if (skip >= size) {
                skip -= size;
                continue;
            }
            int part = Math.min(size - skip, length - done);
            target.put(at + done, segments.buffer(i), segments.offset(i) + skip, part);
            done += part;
            skip = 0;
        }
        return done;
    }
}
