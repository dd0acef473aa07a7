package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.vfiouser.client.RawConnection;

/** Workers whose client or server goes while they wait for memory. */
class DmaSessionEndTest extends SessionDmaTest {
    @Test
    void deathOfTheClientReleasesTheWorker() throws Exception {
        RawConnection client = server.negotiated();
        FakeFunction function = server.function();
        RingAccess area = area(client, function);
        CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
        client.receive();
        client.close();
        fault(fetch);
        TestServer.await("session gone", () -> server.server.sessionCount() == 0);
        assertTrue(function.closed);
        assertEquals(0, function.dmaMap.regionCount());
    }

    @Test
    void closingTheServerReleasesTheWorker() throws Exception {
        try (RawConnection client = server.negotiated()) {
            FakeFunction function = server.function();
            RingAccess area = area(client, function);
            CompletableFuture<Void> fetch = onWorker(() -> area.fetch(0, 8));
            client.receive();
            server.close();
            fault(fetch);
            assertNull(client.receive());
            assertEquals(0, server.server.sessionCount());
        }
    }
}
