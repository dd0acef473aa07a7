package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.Test;

class SchedulingTest {
    private static final long SHORTEST = 100_000;

    @Test
    void threadThatAsksForShortTurnsGetsThemAndNoOtherDoes() throws Exception {
        long usual = Scheduling.sliceNanos();
        assumeTrue(usual > SHORTEST, "the kernel gives a thread a slice of its own (6.12)");
        AtomicLong slice = new AtomicLong();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Thread thread = new Thread(() -> {
            Scheduling.shortTurns();
            slice.set(Scheduling.sliceNanos());
        });
        thread.setUncaughtExceptionHandler((t, e) -> failure.set(e));
        thread.start();
        thread.join();
        assertNull(failure.get());
        assertTrue(slice.get() < usual, slice + " ns instead of " + usual);
        assertEquals(usual, Scheduling.sliceNanos());
    }
}
