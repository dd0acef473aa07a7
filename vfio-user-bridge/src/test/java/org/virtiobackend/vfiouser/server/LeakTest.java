package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** Clients that are killed at any point leave nothing behind: no descriptor, no mapping, no thread. */
@Timeout(120)
class LeakTest {
    private static final int CYCLES = 120;
    private static final String MEMORY = "leak-test-memory";

    private MemFd memory;
    private EventFd eventFd;

    @Test
    void aHundredKilledClientsLeaveNothing(@TempDir Path directory) throws Exception {
        try (TestServer server = new TestServer(directory)) {
            memory = MemFd.create(MEMORY, 1 << 20);
            eventFd = EventFd.create();
            cycle(server, 7);
            awaitEmpty(server, 1);
            int fds = TestServer.openFds();
            long threads = sessionThreads();
            for (int i = 0; i < CYCLES; i++) {
                cycle(server, i % 8);
            }
            awaitEmpty(server, 1 + CYCLES);
            TestServer.awaitFds(fds);
            assertEquals(threads, sessionThreads());
            assertEquals(0, mappings());
            memory.close();
            eventFd.close();
        }
        assertEquals(0, sessionThreads());
    }

    /** One client that dies after so many steps, each of which was done. */
    private void cycle(TestServer server, int steps) throws Exception {
        RawConnection client = server.raw();
        FakeFunction function = null;
        if (steps > 0) {
            done(client, Command.VERSION, new byte[4]);
            function = server.function();
        }
        if (steps > 1) {
            byte[] map = Bytes.of().u32(32, 3).u64(0, 0x10000, 1 << 20).get();
            done(client, Command.DMA_MAP, map, memory.fd());
            assertEquals(1, function.dmaMap.regionCount());
            assertEquals(1 << 20, function.dmaMap.mappedBytes());
        }
        if (steps > 2) {
            byte[] set = Bytes.of().u32(20, 0x24, 2, 0, 2).get();
            done(client, Command.DEVICE_SET_IRQS, set, eventFd.fd(), eventFd.fd());
            byte[] unmask = Bytes.of().u32(20, 0x14, 0, 0, 1).get();
            done(client, Command.DEVICE_SET_IRQS, unmask, eventFd.fd());
        }
        if (steps > 3) {
            byte[] info = Bytes.of().u32(80, 0, 1, 0).u64(0, 0).get();
            done(client, Command.DEVICE_GET_REGION_INFO, info);
        }
        if (steps > 4) {
            byte[] write = Bytes.of().u64(0).u32(0, 4, 9).get();
            client.send(RawMessage.encode(4, Command.REGION_WRITE, MessageHeader.FLAG_NO_REPLY, 0, write));
        }
        if (steps > 5) {
            byte[] half = RawMessage.command(5, Command.DMA_MAP, new byte[32]);
            client.send(Arrays.copyOf(half, 30), memory.fd());
        }
        if (steps % 2 == 1) {
            client.shutdown();
        }
        client.close();
    }

    private static void done(RawConnection client, int command, byte[] payload, Fd... fds) throws IOException {
        client.send(RawMessage.command(1, command, payload), fds);
        try (RawMessage reply = client.receive()) {
            TestServer.assertOk(reply);
        }
    }

    /** Only the accepting thread is left after so many clients. */
    private static void awaitEmpty(TestServer server, int clients) {
        TestServer.await("all clients came", () -> server.server.acceptedCount() == clients);
        TestServer.await("all sessions gone", () -> server.server.sessionCount() == 0 && sessionThreads() == 1);
    }

    private static long sessionThreads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("vfio-user-"))
                .count();
    }

    private static long mappings() throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/maps"))) {
            return lines.filter(line -> line.contains(MEMORY)).count();
        }
    }
}
