package org.virtiobackend.cli;

import java.io.IOException;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.driver.BlkDriver;

/**
 * Keeps a disk busy with one load and measures it. The loop is a hot path: it allocates nothing, looks at the clock
 * once per completion, publishes what it submits in batches, and notifies only a device that asks for it.
 */
final class BenchRun {
    /** Payload after which the device sees what is submitted, so that it works on it while this side goes on. */
    private static final int PUBLISH_BYTES = 32 << 10;

    private final EmbeddedDisk disk;
    private final BlkDriver requests;
    private final BenchLoad load;
    private final long blocks;
    private final int sectorsPerBlock;
    private final long[] started;
    /** Slots that found no room in the bounce pool. */
    private final int[] queue;

    private int waiting;
    private int out;
    private int unpublished;
    private final LatencyHistogram latencies = new LatencyHistogram();
    private long random = 0x9e3779b97f4a7c15L;
    private long next;
    private long elapsedNanos;

    BenchRun(EmbeddedDisk disk, BenchLoad load, int slots) {
        this.disk = disk;
        this.requests = disk.requests();
        this.load = load;
        this.blocks = disk.capacityBytes() / load.blockBytes();
        this.sectorsPerBlock = load.blockBytes() / VirtioBlk.SECTOR_BYTES;
        this.started = new long[slots];
        this.queue = new int[slots];
    }

    /** Runs for so long; the result replaces an earlier one. */
    void run(long nanos) throws IOException {
        latencies.clear();
        long start = System.nanoTime();
        out = 0;
        waiting = 0;
        fill(start);
        turn(start + nanos);
        elapsedNanos = System.nanoTime() - start;
        while (waiting > 0) {
            requests.release(queue[--waiting]);
        }
        while (out > 0) {
            finish(disk.await());
            out--;
        }
    }

    LatencyHistogram latencies() {
        return latencies;
    }

    /** How long the last run took without the requests that were out at its end. */
    long elapsedNanos() {
        return elapsedNanos;
    }

    double requestsPerSecond() {
        return latencies.count() * 1e9 / elapsedNanos;
    }

    double bytesPerSecond() {
        return requestsPerSecond() * load.blockBytes();
    }

    private void fill(long now) throws IOException {
        for (int i = 0; i < load.depth(); i++) {
            submit(requests.acquire(), now);
        }
        disk.publish();
    }

    /** Answers each completion with a new request until the time is up. */
    private void turn(long deadline) throws IOException {
        while (true) {
            int slot = disk.await();
            long now;
            do {
                now = System.nanoTime();
                latencies.record(now - started[slot]);
                check(slot);
                out--;
                submit(slot, now);
                unpublished += load.blockBytes();
                if (unpublished >= PUBLISH_BYTES) {
                    unpublished = 0;
                    disk.publish();
                }
                slot = requests.poll();
            } while (slot >= 0);
            for (int retries = waiting; retries > 0; retries--) {
                submit(queue[--waiting], now);
            }
            disk.publish();
            if (now - deadline >= 0) {
                return;
            }
        }
    }

    /** A slot that finds the bounce pool full waits until requests have come back. */
    private void submit(int slot, long now) {
        long sector = nextBlock() * sectorsPerBlock;
        started[slot] = now;
        boolean taken = load.write()
                ? requests.write(slot, sector, load.blockBytes())
                : requests.read(slot, sector, load.blockBytes());
        if (taken) {
            out++;
        } else {
            queue[waiting++] = slot;
        }
    }

    private long nextBlock() {
        if (load.sequential()) {
            next = next + 1 < blocks ? next + 1 : 0;
            return next;
        }
        random ^= random << 13;
        random ^= random >>> 7;
        random ^= random << 17;
        return Math.multiplyHigh(random & Long.MAX_VALUE, blocks << 1);
    }

    private void finish(int slot) throws IOException {
        check(slot);
        requests.release(slot);
    }

    private void check(int slot) throws IOException {
        if (requests.status(slot) != VirtioBlk.VIRTIO_BLK_S_OK) {
            throw new IOException(load.name() + ": request failed with status " + requests.status(slot));
        }
    }
}
