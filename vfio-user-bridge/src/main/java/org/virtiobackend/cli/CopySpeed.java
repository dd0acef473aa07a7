package org.virtiobackend.cli;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLong;
import org.virtiobackend.posix.NativeBuffer;

/**
 * How fast one thread copies between buffers that nobody else touches, and how far the processors are from each other: what the
 * cost of bouncing is measured against.
 */
final class CopySpeed {
    private static final long STOP = Long.MAX_VALUE;
    private static final long ROUND_TRIP_NANOS = 200_000_000;
    private static final int ROUND_TRIPS = 100;

    private final int bytes;
    private final int buffers;
    private final ByteBuffer from;
    private final ByteBuffer to;

    /**
     * @param bytes of a copy
     * @param buffers on either side, used in turn: as many as requests are out at a time
     */
    CopySpeed(int bytes, int buffers) {
        this.bytes = bytes;
        this.buffers = buffers;
        this.from = NativeBuffer.allocatePageAligned((long) bytes * buffers).buffer();
        this.to = NativeBuffer.allocatePageAligned((long) bytes * buffers).buffer();
    }

    /** Bytes a second. */
    double bytesPerSecond(long nanos) {
        long start = System.nanoTime();
        long now = start;
        long copies = 0;
        while (now - start < nanos) {
            int at = (int) (copies++ % buffers) * bytes;
            to.put(at, from, at, bytes);
            now = System.nanoTime();
        }
        return copies * (double) bytes * 1e9 / (now - start);
    }

    /** Nanoseconds that a cache line takes to another thread and back, the best of what fits into a fifth of a second. */
    static double roundTripNanos() throws InterruptedException {
        AtomicLong here = new AtomicLong();
        AtomicLong there = new AtomicLong();
        Thread other = new Thread(
                () -> {
                    for (long i = 0, seen; (seen = here.get()) != STOP; ) {
                        if (seen > i) {
                            there.set(++i);
                        }
                    }
                },
                "round-trip");
        other.setDaemon(true);
        other.start();
        double best = Double.MAX_VALUE;
        long begin = System.nanoTime();
        for (long i = 0, now = begin; now - begin < ROUND_TRIP_NANOS; ) {
            long start = now;
            for (long end = i + ROUND_TRIPS; i < end; ) {
                here.set(++i);
                while (there.get() < i) {
                    Thread.onSpinWait(); // the other thread answers at once, if it has a processor
                }
            }
            now = System.nanoTime();
            best = Math.min(best, (now - start) / (double) ROUND_TRIPS);
        }
        here.set(STOP);
        other.join();
        return best;
    }
}
