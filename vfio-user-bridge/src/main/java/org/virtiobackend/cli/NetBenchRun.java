package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.net.driver.NetDriver;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/**
 * Keeps frames going around a loop and measures how long each takes. Every frame carries when it was sent and a number; each has
 * to come back, in order. Allocates nothing.
 */
final class NetBenchRun {
    private static final int TYPE_AT = 12;
    private static final int LOCAL_EXPERIMENT = 0x88b5;
    private static final int TIME_AT = 16;
    private static final int NUMBER_AT = 24;
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final int SPINS_PER_LOOK = 1 << 14;

    private final EmbeddedNic nic;
    private final NetDriver frames;
    private final int frameBytes;
    private final int depth;
    private final LatencyHistogram latencies = new LatencyHistogram();
    private long sent;
    private long received;
    private long elapsedNanos;

    /**
     * @param frameBytes 60 or more
     * @param depth frames under way at the same time
     */
    NetBenchRun(EmbeddedNic nic, int frameBytes, int depth) {
        this.nic = nic;
        this.frames = nic.frames();
        this.frameBytes = frameBytes;
        this.depth = depth;
    }

    /** Runs for so long; the result replaces an earlier one. */
    void run(long nanos) throws IOException {
        latencies.clear();
        long start = System.nanoTime();
        long last = start;
        long now = start;
        while (now - start < nanos) {
            while (sent - received < depth && sendOne(now)) {}
            nic.publish();
            now = awaitSome();
            last = now;
        }
        elapsedNanos = last - start;
        while (received < sent) {
            nic.publish();
            awaitSome();
        }
        nic.publish();
    }

    LatencyHistogram latencies() {
        return latencies;
    }

    double framesPerSecond() {
        return latencies.count() * 1e9 / elapsedNanos;
    }

    double bytesPerSecond() {
        return framesPerSecond() * frameBytes;
    }

    private boolean sendOne(long now) {
        int slot = frames.acquire();
        if (slot < 0 && frames.reclaim() > 0) {
            slot = frames.acquire();
        }
        if (slot < 0) {
            return false;
        }
        DmaBuffer buffer = frames.outgoing(slot);
        ByteBuffer bytes = buffer.memory();
        int at = buffer.offset() + NetDriver.HEADER_BYTES;
        bytes.put(at, nic.mac());
        bytes.putShort(at + TYPE_AT, (short) LOCAL_EXPERIMENT);
        bytes.putLong(at + TIME_AT, now);
        bytes.putLong(at + NUMBER_AT, sent++);
        frames.send(slot, frameBytes);
        return true;
    }

    /** Takes all frames that are there, at least one; returns the time. */
    private long awaitSome() throws IOException {
        int slot = frames.receive();
        long start = slot < 0 ? System.nanoTime() : 0;
        while (slot < 0) {
            for (int i = 0; i < SPINS_PER_LOOK && slot < 0; i++) {
                Thread.onSpinWait();
                slot = frames.receive();
            }
            if (slot < 0) {
                Thread.yield(); // the device may be waiting for this very processor
                if (System.nanoTime() - start > ANSWER_NANOS) {
                    throw new IOException(nic.needsReset() ? "the device needs a reset" : "a frame did not come back");
                }
            }
        }
        long now = System.nanoTime();
        for (; slot >= 0; slot = frames.receive()) {
            take(slot, now);
        }
        return now;
    }

    private void take(int slot, long now) throws IOException {
        DmaBuffer buffer = frames.incoming(slot);
        int at = buffer.offset() + NetDriver.HEADER_BYTES;
        long number = buffer.memory().getLong(at + NUMBER_AT);
        if (frames.receivedBytes() != frameBytes || number != received) {
            throw new IOException("frame " + received + " of " + frameBytes + " bytes came back as " + number + " of "
                    + frames.receivedBytes());
        }
        latencies.record(now - buffer.memory().getLong(at + TIME_AT));
        received++;
        frames.release(slot);
    }
}
