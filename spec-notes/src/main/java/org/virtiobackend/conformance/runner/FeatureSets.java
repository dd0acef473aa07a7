package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Random;

/**
 * Sets of features in which every pair of features meets in all four combinations: none, all, and as many random ones
 * as it takes, each the best of some. The same seed gives the same sets.
 */
public final class FeatureSets {
    private static final int CANDIDATES = 30;
    private static final int LIMIT = 40;

    private final int[] bits;
    private final long always;
    private final int deviceType;
    /** Combinations of two bits that no set has yet: {@code ((i * bits + j) * 4 + values)}. */
    private final BitSet missing = new BitSet();

    private FeatureSets(long choosable, long always, int deviceType) {
        this.bits = new int[Long.bitCount(choosable)];
        this.always = always;
        this.deviceType = deviceType;
        int count = 0;
        for (int bit = 0; bit < Long.SIZE; bit++) {
            if ((choosable >>> bit & 1) != 0) {
                bits[count++] = bit;
            }
        }
    }

    /**
     * The sets.
     *
     * @param choosable bits that may be there or not
     * @param always bits that each set has
     */
    public static List<Long> pairwise(long choosable, long always, int deviceType, long seed) {
        FeatureSets sets = new FeatureSets(choosable & ~always, always, deviceType);
        return sets.build(choosable & ~always, new Random(seed));
    }

    private List<Long> build(long all, Random random) {
        for (int i = 0; i < bits.length; i++) {
            for (int j = i + 1; j < bits.length; j++) {
                missing.set((i * bits.length + j) * 4, (i * bits.length + j) * 4 + 4);
            }
        }
        List<Long> result = new ArrayList<>();
        take(0, result);
        take(all, result);
        while (!missing.isEmpty() && result.size() < LIMIT) {
            long best = best(all, random);
            if (fresh(best, false) == 0) {
                break; // what is missing breaks a prerequisite
            }
            take(best, result);
        }
        return result;
    }

    private void take(long set, List<Long> result) {
        long sound = FeatureTable.withoutOrphans(set | always, deviceType);
        fresh(sound, true);
        if (!result.contains(sound)) {
            result.add(sound);
        }
    }

    private long best(long all, Random random) {
        long best = 0;
        int most = -1;
        for (int i = 0; i < CANDIDATES; i++) {
            long set = FeatureTable.withoutOrphans(random.nextLong() & all | always, deviceType);
            int count = fresh(set, false);
            if (count > most) {
                most = count;
                best = set;
            }
        }
        return best;
    }

    /** Counts the missing combinations that a set has; perhaps they are not missing any more. */
    private int fresh(long set, boolean take) {
        int found = 0;
        for (int i = 0; i < bits.length; i++) {
            for (int j = i + 1; j < bits.length; j++) {
                int values = (int) (set >>> bits[i] & 1) * 2 + (int) (set >>> bits[j] & 1);
                int pair = (i * bits.length + j) * 4 + values;
                if (missing.get(pair)) {
                    found++;
                    missing.set(pair, !take);
                }
            }
        }
        return found;
    }
}
