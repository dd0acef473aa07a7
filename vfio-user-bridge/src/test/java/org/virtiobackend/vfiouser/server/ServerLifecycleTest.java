package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.VfioUserClient;

@Timeout(60)
class ServerLifecycleTest {
    private static final PciFunctionFactory FACTORY = FakeFunction::new;

    @TempDir
    private Path directory;

    @Test
    void socketBelongsToItsOwnerAndGoesWithTheServer() throws IOException {
        TestServer server = new TestServer(directory);
        Path path = Path.of(server.path);
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(path)));
        server.close();
        assertFalse(Files.exists(path));
        server.close();
    }

    @Test
    void replacesASocketThatNobodyAnswersOn() throws IOException {
        String path = directory.resolve("vfu.sock").toString();
        UnixSocket.listen(path, 1).close();
        assertTrue(Files.exists(Path.of(path)));
        try (TestServer server = new TestServer(directory);
                VfioUserClient client = server.client()) {
            client.deviceInfo();
        }
    }

    @Test
    void leavesALiveSocketAlone() throws IOException {
        try (TestServer server = new TestServer(directory)) {
            IOException e = assertThrows(
                    IOException.class, () -> VfioUserServer.listen(server.path, FACTORY, SessionListener.LOGGING));
            assertEquals("socket path " + server.path + " is in use by another process", e.getMessage());
            server.client().close();
        }
    }

    @Test
    void leavesOtherFilesAlone() throws IOException {
        Path file = Files.writeString(directory.resolve("precious"), "data");
        IOException e = assertThrows(
                IOException.class, () -> VfioUserServer.listen(file.toString(), FACTORY, SessionListener.LOGGING));
        assertEquals("socket path " + file + " exists and is not a socket", e.getMessage());
        assertEquals("data", Files.readString(file));
    }

    @Test
    void tellsWhyAPathCannotBeUsed() {
        String missing = directory.resolve("no/such/directory").toString();
        IOException e =
                assertThrows(IOException.class, () -> VfioUserServer.listen(missing, FACTORY, SessionListener.LOGGING));
        assertEquals("bind " + missing + ": no such file or directory", e.getMessage());
        String tooLong = directory.resolve("x".repeat(120)).toString();
        assertThrows(IOException.class, () -> VfioUserServer.listen(tooLong, FACTORY, SessionListener.LOGGING));
    }

    @Test
    void leavesTheSocketOfASuccessorInPlace() throws IOException {
        TestServer server = new TestServer(directory);
        Path path = Path.of(server.path);
        Files.delete(path);
        try (Fd successor = UnixSocket.listen(server.path, 1)) {
            server.close();
            assertTrue(Files.exists(path), successor::toString);
        }
    }

    @Test
    void servesOnAnInheritedSocket() throws IOException {
        String path = directory.resolve("inherited").toString();
        Fd listener = UnixSocket.listen(path, 1);
        VfioUserServer server = VfioUserServer.adopt(listener, FACTORY, SessionListener.LOGGING);
        try (VfioUserClient client = VfioUserClient.connect(path)) {
            client.deviceInfo();
        }
        server.close();
        assertFalse(listener.isOpen());
        assertTrue(Files.exists(Path.of(path)), "the path is not ours");
    }

    @Test
    void eachClientHasItsOwnDeviceAndMemory() throws Exception {
        try (TestServer server = new TestServer(directory)) {
            List<VfioUserClient> clients = new ArrayList<>();
            List<FakeFunction> functions = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                clients.add(server.client());
                functions.add(server.function());
                clients.get(i).regionWrite(0, 0, 4, i, false);
                clients.get(i).dmaMap(0x1000, 0x1000L * (i + 1), 3, null, 0);
            }
            assertEquals(5, server.server.sessionCount());
            for (int i = 0; i < 5; i++) {
                assertEquals(i, clients.get(i).regionRead(0, 0, 4));
                assertEquals(1, functions.get(i).dmaMap.regionCount());
                clients.get(i).close();
            }
        }
    }

    @Test
    void nextClientGetsAFreshDevice() throws Exception {
        try (TestServer server = new TestServer(directory)) {
            FakeFunction first;
            try (VfioUserClient client = server.client()) {
                first = server.function();
                client.regionWrite(0, 0, 4, 99, false);
            }
            TestServer.await("first session gone", () -> server.server.sessionCount() == 0);
            assertTrue(first.closed);
            try (VfioUserClient client = server.client()) {
                assertNotSame(first, server.function());
                assertEquals(0, client.regionRead(0, 0, 4));
            }
        }
    }

    @Test
    void closesTheFunctionBeforeItsMemory() throws Exception {
        AtomicInteger regionsAtClose = new AtomicInteger(-1);
        PciFunctionFactory factory = (dmaMap, session) -> {
            FakeFunction function = new FakeFunction(dmaMap, session);
            function.whenClosed = () -> regionsAtClose.set(dmaMap.regionCount());
            return function;
        };
        String path = directory.resolve("order").toString();
        VfioUserServer server = VfioUserServer.listen(path, factory, SessionListener.LOGGING);
        VfioUserClient client = VfioUserClient.connect(path);
        try (MemFd memory = MemFd.create("guest", 4096)) {
            client.dmaMap(0, 4096, 3, memory.fd(), 0);
        }
        server.close();
        assertEquals(1, regionsAtClose.get());
        ErrnoException e = assertThrows(ErrnoException.class, client::deviceInfo);
        assertEquals(Errno.ENOTCONN, e.errno());
        client.close();
    }

    @Test
    void tellsWhoComesAndGoes() throws Exception {
        try (TestServer server = new TestServer(directory)) {
            server.raw().close(); // never negotiates: not worth a word
            VfioUserClient client = server.client();
            String connected = server.events.poll(10, TimeUnit.SECONDS);
            assertEquals("connected 2", connected);
            client.close();
            assertEquals("disconnected 2: closed by the client", server.events.poll(10, TimeUnit.SECONDS));
            RawConnection broken = server.negotiated();
            assertEquals("connected 3", server.events.poll(10, TimeUnit.SECONDS));
            broken.send(new byte[16]);
            assertEquals("disconnected 3: broken frame: message of 0 bytes", server.events.poll(10, TimeUnit.SECONDS));
            broken.close();
            RawConnection half = server.negotiated();
            assertEquals("connected 4", server.events.poll(10, TimeUnit.SECONDS));
            half.send(new byte[] {1, 2, 3});
            half.close();
            assertEquals(
                    "disconnected 4: closed by the client within a message", server.events.poll(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void clientWithoutADeviceIsToldAndMayTryAgain() throws Exception {
        AtomicInteger tries = new AtomicInteger();
        PciFunctionFactory factory = (dmaMap, session) -> {
            switch (tries.getAndIncrement()) {
                case 0 -> throw new ErrnoException("image", Errno.EBUSY);
                case 1 -> throw new IOException("no reason");
                case 2 -> throw new IllegalStateException("on purpose");
                default -> {
                    return new FakeFunction(dmaMap, session);
                }
            }
        };
        String path = directory.resolve("refusing").toString();
        VfioUserServer server = VfioUserServer.listen(path, factory, SessionListener.LOGGING);
        for (int errno : new int[] {Errno.EBUSY, Errno.EIO, Errno.EIO}) {
            ErrnoException e = assertThrows(ErrnoException.class, () -> VfioUserClient.connect(path));
            assertEquals(errno, e.errno());
        }
        VfioUserClient.connect(path).close();
        server.close();
        assertEquals(0, server.sessionCount());
    }

    @Test
    void turnsAwayTooManyClients() throws IOException {
        try (TestServer server = new TestServer(directory)) {
            List<RawConnection> clients = new ArrayList<>();
            for (int i = 0; i < VfioUserServer.MAX_SESSIONS; i++) {
                clients.add(server.raw());
            }
            try (RawConnection surplus = server.raw()) {
                assertNull(surplus.receive());
            }
            clients.get(0).close();
            TestServer.await("room", () -> server.server.sessionCount() < VfioUserServer.MAX_SESSIONS);
            server.client().close();
            clients.forEach(RawConnection::close);
        }
    }

    @Test
    void closesWhileClientsAreBusy() throws Exception {
        TestServer server = new TestServer(directory);
        List<Thread> threads = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
            VfioUserClient client = server.client();
            Thread thread = new Thread(() -> {
                try {
                    while (true) {
                        client.regionRead(0, 0, 4);
                        client.regionWrite(0, 0, 4, 1, true);
                    }
                } catch (IOException e) {
                    client.close();
                }
            });
            thread.start();
            threads.add(thread);
            server.function();
        }
        server.close();
        for (Thread thread : threads) {
            thread.join(TestServer.WAIT_MILLIS);
            assertFalse(thread.isAlive());
        }
        assertEquals(0, server.server.sessionCount());
    }
}
