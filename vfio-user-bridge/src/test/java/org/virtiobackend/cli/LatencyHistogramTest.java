package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LatencyHistogramTest {
    @Test
    void percentilesAgreeWithASortedArray() {
        LatencyHistogram histogram = new LatencyHistogram();
        Random random = new Random(9);
        long[] values = new long[50_000];
        for (int i = 0; i < values.length; i++) {
            values[i] = (long) Math.exp(random.nextDouble() * 40);
            histogram.record(values[i]);
        }
        Arrays.sort(values);
        for (double percent : new double[] {1, 10, 50, 90, 99, 99.9, 100}) {
            long exact = values[(int) Math.ceil(values.length * percent / 100) - 1];
            long got = histogram.percentile(percent);
            assertTrue(Math.abs(got - exact) <= exact / 64 + 1, percent + ": " + got + " for " + exact);
        }
        assertEquals(values[values.length - 1], histogram.max());
        assertEquals(values.length, histogram.count());
    }

    @Test
    void takesEveryValue() {
        LatencyHistogram histogram = new LatencyHistogram();
        for (long value : new long[] {-5, 0, 1, 127, 128, 129, Long.MAX_VALUE}) {
            histogram.clear();
            histogram.record(value);
            long recorded = Math.max(0, value);
            assertTrue(Math.abs(histogram.percentile(50) - recorded) <= recorded / 64);
            assertEquals(recorded, histogram.max());
        }
        histogram.clear();
        assertEquals(0, histogram.percentile(99));
    }
}
