package org.virtiobackend.devices.fs.passthrough;

import java.util.ArrayDeque;
import java.util.Deque;
import org.virtiobackend.virtio.device.io.IoPool;

/**
 * Appends that are left to threads that may wait, one after the other for each file: a driver cuts a large direct write into pieces
 * and sends the next before the answer to the last (FUSE_ASYNC_DIO). The order is that of arrival. Any thread.
 */
public final class AppendOrder {
    /** Files that share one wait for each other. */
    private static final int LANES = 64;

    private static final class Lane {
        final Deque<IoPool.Task> waiting = new ArrayDeque<>();
        /** Those under way and those that wait. */
        volatile int count;
    }

    private final Lane[] lanes = new Lane[LANES];

    AppendOrder() {
        for (int i = 0; i < LANES; i++) {
            lanes[i] = new Lane();
        }
    }

    /** Whether an append may be done without looking at others. */
    boolean isFree(long nodeId) {
        return lane(nodeId).count == 0;
    }

    /** True when it is its turn; otherwise {@link #leave} of the one before answers with it. */
    public boolean enter(long nodeId, IoPool.Task append) {
        Lane lane = lane(nodeId);
        synchronized (lane) {
            boolean first = lane.count == 0;
            lane.count = lane.count + 1;
            if (!first) {
                lane.waiting.add(append);
            }
            return first;
        }
    }

    /** One that entered is over; returns the one whose turn it is now, or null. */
    public IoPool.Task leave(long nodeId) {
        Lane lane = lane(nodeId);
        synchronized (lane) {
            lane.count = lane.count - 1;
            return lane.waiting.poll();
        }
    }

    private Lane lane(long nodeId) {
        return lanes[Long.hashCode(nodeId) & LANES - 1];
    }
}
