package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.virtiobackend.dma.RingAccess;
import org.virtiobackend.vfiouser.client.DmaLayout;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.version.Capabilities;

/** Reads and writes of memory that the client did not share. */
class DmaSessionTest extends SessionDmaTest {
    @Test
    void readsAndWritesMemoryOfTheClient() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        int messages = 2 * BYTES / DmaMessenger.MAX_DATA;
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            memory.put(5, (byte) 77).put(BYTES - 1, (byte) 78);
            onWorker(() -> area.fetch(0, BYTES)).get();
            assertEquals(77, area.getU8(5));
            assertEquals(78, area.getU8(BYTES - 1));
            area.putU32(1 << 20, 0xdeadbeef);
            onWorker(() -> area.flush(4, BYTES - 4)).get();
            assertEquals((byte) 0xef, memory.get(1 << 20));
            assertEquals(messages, client.dmaMessagesServed());
            assertEquals(messages, server.server.dmaMessagesSent());
        }
        TestServer.await("session gone", () -> server.server.sessionCount() == 0);
        assertEquals(messages, server.server.dmaMessagesSent(), "counted after the client has gone");
    }

    @Test
    void keepsToTheTransferSizeOfTheClient() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        Capabilities small = new Capabilities(1, 512, 65535, 4096);
        try (VfioUserClient client = server.client(serving(memory, small, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            onWorker(() -> area.fetch(100, 5000)).get();
            assertEquals(10, client.dmaMessagesServed());
        }
    }

    @Test
    void clientCommandsGoOnMeanwhile() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            CompletableFuture<Void> transfers = onWorker(() -> {
                for (int i = 0; i < 3000; i++) {
                    area.fetch(i, 16);
                    area.flush(i, 16);
                }
            });
            long done = 0;
            while (!transfers.isDone()) {
                client.regionWrite(0, 8, 8, ++done, done % 2 == 0);
                assertEquals(done, client.regionRead(0, 8, 8));
            }
            transfers.get();
            assertEquals(6000, client.dmaMessagesServed());
        }
    }

    @Test
    void olderLayoutOfQemuFaultsInsteadOfShiftingData() throws Exception {
        ByteBuffer memory = ByteBuffer.allocateDirect(BYTES);
        memory.putLong(0, -1).putLong(8, -1);
        try (VfioUserClient client = server.client(serving(memory, Capabilities.OURS, DmaLayout.COUNT32))) {
            RingAccess area = area(client, server.function());
            fault(onWorker(() -> area.fetch(0, 16)));
            onWorker(() -> area.flush(64, 16)).get(); // header-only reply
        }
    }

    @Test
    void refusalOfTheClientIsAFault() throws Exception {
        try (VfioUserClient client =
                server.client(serving(ByteBuffer.allocateDirect(4096), Capabilities.OURS, DmaLayout.SPECIFICATION))) {
            RingAccess area = area(client, server.function());
            fault(onWorker(() -> area.fetch(4096 - 8, 16)));
            onWorker(() -> area.fetch(4096 - 16, 16)).get();
        }
    }
}
