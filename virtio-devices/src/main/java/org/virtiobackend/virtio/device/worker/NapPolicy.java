package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.QueueHandler;

/**
 * Whether an idle worker naps: waits a short time with the drivers' notifications still switched off, and then looks at its queues.
 * Unlike polling that leaves the core to others, perhaps to the very driver that is about to make the next buffers available; unlike
 * sleeping it costs the driver no notification. It pays when several chains come in one nap. It does not when the driver has stopped
 * before the nap ends because all it may have under way lies in the queue: then each nap brings the same number.
 *
 * <p>There is no telling beforehand, so a nap is tried from time to time, less and less often when that fails. Belongs to one worker.
 */
final class NapPolicy {
    static final long MIN_NANOS = 25_000;
    private static final int FIRST_TRIAL = 4;
    private static final int LAST_TRIAL = 1024;
    private static final int START_SCORE = 2;
    private static final int TOP_SCORE = 8;
    /** Chains in one nap, fewer: longer naps, more: shorter ones. */
    private static final int FEW = 4;

    private static final int MANY = 8;
    private static final int SAME_IN_A_ROW = 8;

    private long longest = QueueHandler.NAP_NANOS;
    private boolean napping;
    private long nanos = longest;
    private int score;
    private int idlePeriods;
    private int tryAfter = FIRST_TRIAL;
    private int lastArrived;
    private int same;

    /** @param nanos what all handlers agree to, see {@link QueueHandler#longestNapNanos} */
    void limit(long nanos) {
        longest = nanos;
        this.nanos = Math.min(this.nanos, nanos);
    }

    /** A driver that lets the worker idle for as long does not keep it busy, ns. */
    long rareNanos() {
        return longest * 5 / 2;
    }

    /** How long to nap now; 0: not at all. */
    long nanos() {
        return napping ? nanos : 0;
    }

    /** Whether naps would end if they got any shorter: chains come so fast that they are there at once. */
    boolean isShortest() {
        return nanos <= MIN_NANOS;
    }

    /** Work has come after so long without any, and no nap was taken. */
    void idled(long idleNanos) {
        if (idleNanos >= rareNanos()) {
            idlePeriods = 0;
        } else if (++idlePeriods >= tryAfter) {
            napping = true;
            nanos = longest;
            score = START_SCORE;
            same = 0;
            idlePeriods = 0;
        }
    }

    /**
     * A nap has ended, and so many chains were there.
     *
     * @param dear whether drivers wait for the end of each notification: sparing them one is worth a nap, however short
     */
    void napped(int arrived, boolean dear) {
        score = Math.min(TOP_SCORE, score + gain(arrived, dear));
        if (score == TOP_SCORE) {
            tryAfter = FIRST_TRIAL;
        }
        // As many as are ever taken at once says nothing about how many there were.
        same = arrived == lastArrived && arrived < QueueTask.BUDGET ? same + 1 : 0;
        lastArrived = arrived;
        if (same >= SAME_IN_A_ROW) {
            same = 0;
            nanos /= 2;
        } else if (arrived > MANY) {
            nanos = Math.max(dear ? MIN_NANOS : 0, nanos - nanos / 8);
        } else if (arrived < FEW && same == 0) {
            nanos = Math.min(longest, nanos + nanos / 8);
        }
        if (score < 0 || nanos < MIN_NANOS) {
            napping = false;
            tryAfter = Math.min(LAST_TRIAL, tryAfter * 2);
        }
    }

    private static int gain(int arrived, boolean dear) {
        return arrived == 0 ? -1 : arrived > 1 || dear ? 1 : 0;
    }
}
