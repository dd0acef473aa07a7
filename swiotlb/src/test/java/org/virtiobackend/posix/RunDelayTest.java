package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class RunDelayTest {
    private static final Path SCHEDSTAT = Path.of("/proc/thread-self/schedstat");

    private static long kernelSays() throws IOException {
        return Long.parseLong(Files.readString(SCHEDSTAT).split(" ")[1]);
    }

    @Test
    void isWhatTheKernelCountsForThisThread() throws Exception {
        assumeTrue(Files.isReadable(SCHEDSTAT), "the kernel counts");
        try (RunDelay delay = new RunDelay()) {
            for (int i = 0; i < 100; i++) {
                long before = kernelSays();
                long now = delay.nanos();
                long after = kernelSays();
                assertTrue(before <= now && now <= after, before + " <= " + now + " <= " + after);
                Thread.yield();
            }
        }
    }

    @Test
    void isZeroOnceClosed() {
        RunDelay delay = new RunDelay();
        delay.close();
        assertEquals(0, delay.nanos());
    }
}
