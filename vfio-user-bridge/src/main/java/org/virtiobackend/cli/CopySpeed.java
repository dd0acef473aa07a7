package org.virtiobackend.cli;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicLong;
import org.virtiobackend.posix.NativeBuffer;

/**
 * How fast this machine copies, and how far its processors are from each other: what the cost of bouncing is measured against.
 * Every method runs for about the time it is given.
 */
final class CopySpeed {
    private static final int ROUND_TRIPS = 2_000;

    private final int bytes;
    private final int buffers;
    private final ByteBuffer mine;
    private final ByteBuffer shared;
    /** Buffers that this thread has passed on, and that the other one has. */
    private final AtomicLong here = new AtomicLong();

    private final AtomicLong there = new AtomicLong();
    private volatile boolean over;

    /**
     * @param bytes of a copy
     * @param buffers on either side, used in turn: as many as requests are out at a time
     */
    CopySpeed(int bytes, int buffers) {
        this.bytes = bytes;
        this.buffers = buffers;
        this.mine = NativeBuffer.allocatePageAligned((long) bytes * buffers).buffer();
        this.shared = NativeBuffer.allocatePageAligned((long) bytes * buffers).buffer();
    }

    /** Bytes a second when nobody else touches the buffers. */
    double alone(long nanos) {
        long start = System.nanoTime();
        long now = start;
        long copies = 0;
        while (now - start < nanos) {
            copy(shared, mine, copies++);
            now = System.nanoTime();
        }
        return copies * (double) bytes * 1e9 / (now - start);
    }

    /** Bytes a second out of buffers that another thread has just written: bouncing what a device read. */
    double written(long nanos) throws InterruptedException {
        Thread device = start(() -> {
            ByteBuffer source = newBuffers();
            for (long i = 0; !over; ) {
                if (i - here.get() < buffers) {
                    copy(source, shared, i);
                    there.set(++i);
                }
            }
        });
        long copying = 0;
        long copies = 0;
        for (long start = System.nanoTime(), now = start; now - start < nanos; ) {
            now = System.nanoTime();
            long ready = there.get();
            if (ready > copies) {
                for (; copies < ready; here.set(++copies)) {
                    copy(shared, mine, copies);
                }
                copying += System.nanoTime() - now;
            }
        }
        over = true;
        device.join();
        return copies * (double) bytes * 1e9 / copying;
    }

    /** Bytes a second into buffers that another thread has just read: bouncing what a device will write. */
    double read(long nanos) throws InterruptedException {
        Thread device = start(() -> {
            ByteBuffer sink = newBuffers();
            for (long i = 0; !over; ) {
                if (here.get() > i) {
                    copy(shared, sink, i);
                    there.set(++i);
                }
            }
        });
        long copying = 0;
        long copies = 0;
        for (long start = System.nanoTime(), now = start; now - start < nanos; ) {
            now = System.nanoTime();
            long room = there.get() + buffers;
            if (copies < room) {
                for (; copies < room; here.set(++copies)) {
                    copy(mine, shared, copies);
                }
                copying += System.nanoTime() - now;
            }
        }
        over = true;
        device.join();
        return copies * (double) bytes * 1e9 / copying;
    }

    /** Nanoseconds that a cache line takes to another thread and back, the best of some tries. */
    static double roundTripNanos() throws InterruptedException {
        CopySpeed line = new CopySpeed(1, 1);
        Thread other = line.start(() -> {
            for (long i = 0; !line.over; ) {
                if (line.here.get() > i) {
                    line.there.set(++i);
                }
            }
        });
        double best = Double.MAX_VALUE;
        long i = 0;
        for (int tries = 0; tries < 50; tries++) {
            long start = System.nanoTime();
            for (long end = i + ROUND_TRIPS; i < end; ) {
                line.here.set(++i);
                while (line.there.get() < i) {
                    // the other thread answers at once
                }
            }
            best = Math.min(best, (System.nanoTime() - start) / (double) ROUND_TRIPS);
        }
        line.over = true;
        other.join();
        return best;
    }

    private Thread start(Runnable device) {
        over = false;
        here.set(0);
        there.set(0);
        Thread thread = new Thread(device, "copy-speed");
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private ByteBuffer newBuffers() {
        return ByteBuffer.allocateDirect(bytes * buffers);
    }

    private void copy(ByteBuffer from, ByteBuffer to, long number) {
        int at = (int) (number % buffers) * bytes;
        to.put(at, from, at, bytes);
    }
}
