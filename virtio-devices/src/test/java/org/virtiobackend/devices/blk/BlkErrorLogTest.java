package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.slf4j.event.Level;
import org.virtiobackend.posix.Errno;

/** A driver can cause any number of errors, and cannot fill the log with them. */
class BlkErrorLogTest {
    private static List<String> logged(Runnable action) {
        PrintStream old = System.err;
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
        try {
            action.run();
        } finally {
            System.setErr(old);
        }
        return bytes.toString(StandardCharsets.UTF_8).lines().toList();
    }

    @Test
    void whatADriverCausesIsNeverAboveDebug() {
        for (BlkResult result : BlkResult.values()) {
            if (result != BlkResult.BACKEND_FAILED) {
                assertTrue(result.level().toInt() <= Level.DEBUG.toInt(), result.name());
            }
        }
        BlkErrorLog log = new BlkErrorLog("disk");
        assertEquals(List.of(), logged(() -> {
            for (int i = 0; i < 10_000; i++) {
                log.failed(BlkResult.BEYOND_CAPACITY, 0, i, 0);
            }
        }));
        assertEquals(10_000, log.count());
    }

    @Test
    void aFailingImageIsReportedOnceInAWhile() {
        BlkErrorLog log = new BlkErrorLog("disk");
        List<String> lines = logged(() -> {
            for (int i = 0; i < 10_000; i++) {
                log.failed(BlkResult.BACKEND_FAILED, 1, -1, Errno.ENOSPC);
            }
        });
        assertEquals(1, lines.size());
        String line = "disk: request type 1 at sector 18446744073709551615 failed: no space left on device"
                + " (0 more failures before)";
        assertTrue(lines.get(0).endsWith(line), lines.get(0));
        assertEquals(10_000, log.count());
    }
}
