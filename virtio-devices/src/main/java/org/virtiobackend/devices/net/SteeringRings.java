package org.virtiobackend.devices.net;

import java.util.concurrent.atomic.AtomicReferenceArray;
import org.virtiobackend.devices.net.backend.FrameRing;

/**
 * Frames on their way from the worker that received them to the worker of the queue to which their hash leads. A ring for each two
 * queues, so that each has one writer and one reader; made when it is first needed.
 */
final class SteeringRings {
    private static final int RING_BYTES = 1 << 19;

    private final int pairs;
    private final AtomicReferenceArray<FrameRing> rings;

    SteeringRings(int pairs) {
        this.pairs = pairs;
        this.rings = new AtomicReferenceArray<>(pairs * pairs);
    }

    /** For the writer, the worker of {@code from}. */
    FrameRing outgoing(int from, int to) {
        FrameRing ring = rings.get(from * pairs + to);
        if (ring == null) {
            ring = new FrameRing(RING_BYTES);
            rings.set(from * pairs + to, ring);
        }
        return ring;
    }

    /** For the reader, the worker of {@code to}; null when nothing ever came from there. */
    FrameRing incoming(int from, int to) {
        return rings.get(from * pairs + to);
    }

    int pairs() {
        return pairs;
    }
}
