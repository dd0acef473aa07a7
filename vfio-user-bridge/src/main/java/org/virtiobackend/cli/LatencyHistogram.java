package org.virtiobackend.cli;

import java.util.Arrays;

/**
 * Counts of durations, exact to 1/64: each power of two is cut into 64 buckets. Recording allocates nothing. One
 * thread.
 */
final class LatencyHistogram {
    private static final int SUB_BITS = 7;
    private static final int SUBS = 1 << SUB_BITS;

    private final long[] counts = new long[(Long.SIZE - SUB_BITS + 1) * SUBS];
    private long count;
    private long max;

    void record(long nanos) {
        long value = Math.max(0, nanos);
        counts[bucket(value)]++;
        count++;
        if (value > max) {
            max = value;
        }
    }

    void clear() {
        Arrays.fill(counts, 0);
        count = 0;
        max = 0;
    }

    long count() {
        return count;
    }

    long max() {
        return max;
    }

    /**
     * The duration that this share of all does not exceed, as the middle of its bucket; 0 when nothing was recorded.
     *
     * @param percent 0 to 100
     */
    long percentile(double percent) {
        long wanted = (long) Math.ceil(count * percent / 100);
        long seen = 0;
        for (int i = 0; i < counts.length; i++) {
            seen += counts[i];
            if (counts[i] > 0 && seen >= wanted) {
                return Math.min(middle(i), max);
            }
        }
        return 0;
    }

    // values below SUBS have buckets of their own, larger ones share the upper half of their power's buckets
    private static int bucket(long value) {
        int exponent = Long.SIZE - SUB_BITS - Long.numberOfLeadingZeros(value | (SUBS - 1));
        return exponent * SUBS + (int) (value >>> exponent);
    }

    private static long middle(int bucket) {
        int exponent = bucket / SUBS;
        long low = (long) (bucket % SUBS) << exponent;
        return low + ((1L << exponent) >>> 1);
    }
}
