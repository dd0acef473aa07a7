package org.virtiobackend.devices.fs.passthrough;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.virtiobackend.posix.FileLocks;

/** Ranges against a model that has a lock for each byte. */
class HeldRangesTest {
    private static final int BYTES = 24;
    private static final int STEPS = 20_000;
    private static final int READ = FileLocks.F_RDLCK;
    private static final int WRITE = FileLocks.F_WRLCK;
    private static final int NONE = FileLocks.F_UNLCK;

    @Test
    void agreeWithAModelByteByByte() {
        Random random = new Random(5);
        HeldRanges ranges = new HeldRanges();
        int[] model = new int[BYTES];
        Arrays.fill(model, NONE);
        for (int step = 0; step < STEPS; step++) {
            int start = random.nextInt(BYTES);
            int end = start + random.nextInt(BYTES - start);
            int type = new int[] {READ, WRITE, NONE}[random.nextInt(3)];
            int before = ranges.count();
            int growth = ranges.growth(start, end, type);
            ranges.set(start, end, type);
            Arrays.fill(model, start, end + 1, type);
            assertEquals(runs(model), ranges.count(), () -> "after " + Arrays.toString(model));
            assertEquals(ranges.count() - before, growth);
            for (int i = 0; i < BYTES; i++) {
                assertEquals(model[i] == WRITE, ranges.areInTheWay(i, i, READ));
                assertEquals(model[i] != NONE, ranges.areInTheWay(i, i, WRITE));
            }
        }
    }

    private static int runs(int[] model) {
        int runs = 0;
        for (int i = 0; i < BYTES; i++) {
            if (model[i] != NONE && (i == 0 || model[i - 1] != model[i])) {
                runs++;
            }
        }
        return runs;
    }

    @Test
    void reachToTheEndOfAnyFile() {
        HeldRanges ranges = new HeldRanges();
        ranges.set(0, Long.MAX_VALUE, READ);
        ranges.set(Long.MAX_VALUE, Long.MAX_VALUE, WRITE);
        assertEquals(2, ranges.count());
        assertEquals(1, ranges.growth(5, 5, NONE));
        ranges.set(0, Long.MAX_VALUE, NONE);
        assertEquals(0, ranges.count());
    }
}
