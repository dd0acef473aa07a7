package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.vfiouser.client.VfioUserClient;

/** Register accesses in the steady state allocate nothing, on either side. */
@Timeout(120)
class AllocationTest {
    private static final int WARM_UP = 30_000;
    private static final int ACCESSES = 10_000;
    private static final int ROUNDS = 4;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void registerAccessesAllocateNothing(@TempDir Path directory) throws IOException {
        try (TestServer server = new TestServer(directory);
                VfioUserClient client = server.client()) {
            access(client, WARM_UP);
            long session = Thread.getAllStackTraces().keySet().stream()
                    .filter(thread -> thread.getName().equals("vfio-user-1"))
                    .findAny()
                    .orElseThrow()
                    .getId();
            long mine = Thread.currentThread().getId();
            long leastOfSession = Long.MAX_VALUE;
            long leastOfMine = Long.MAX_VALUE;
            // the least of some rounds: the JVM now and then allocates for itself, an access would do it in each
            for (int round = 0; round < ROUNDS; round++) {
                long sessionBefore = threads.getThreadAllocatedBytes(session);
                long mineBefore = threads.getThreadAllocatedBytes(mine);
                access(client, ACCESSES);
                leastOfMine = Math.min(leastOfMine, threads.getThreadAllocatedBytes(mine) - mineBefore);
                leastOfSession = Math.min(leastOfSession, threads.getThreadAllocatedBytes(session) - sessionBefore);
            }
            check("server", leastOfSession);
            check("client", leastOfMine);
        }
    }

    private static void access(VfioUserClient client, int count) throws IOException {
        for (int i = 0; i < count; i++) {
            client.regionRead(PciFunction.CONFIG_REGION, 4, 4);
            client.regionWrite(PciFunction.CONFIG_REGION, 4, 2, i, false);
            client.regionWrite(0, 8, 4, i, true);
        }
    }

    /** Less than one object in a hundred accesses: what the measurement itself takes. */
    private static void check(String side, long bytes) {
        assertTrue(bytes < ACCESSES / 6, side + " allocated " + bytes + " bytes in " + ACCESSES + " rounds");
    }
}
