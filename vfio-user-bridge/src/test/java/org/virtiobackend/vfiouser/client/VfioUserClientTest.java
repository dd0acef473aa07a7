package org.virtiobackend.vfiouser.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.vfiouser.server.Bytes;
import org.virtiobackend.vfiouser.server.TestServer;
import org.virtiobackend.vfiouser.version.Capabilities;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** Each in both ways of receiving: by the caller, and by a thread that serves DMA messages too. */
@Timeout(60)
class VfioUserClientTest {
    /** For who is to wait in vain. */
    private static final int SHORT_MILLIS = 200;
    /** For who has to give up once and be in time afterwards, on a busy machine too. */
    private static final int PATIENT_MILLIS = 1_000;

    private static final int TIMELY_SECONDS = 30;
    /** A multiple of the shortest wait that no machine takes longer for. */
    private static final int MOST = 100;

    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void negotiates(boolean serving) throws IOException {
        try (TestServer server = new TestServer(directory);
                VfioUserClient client = server.client(options(serving))) {
            assertEquals(1, client.minorVersion());
            assertEquals(Capabilities.OURS, client.serverCapabilities());
            assertEquals(9, client.deviceInfo().regions());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void givesUpOnAServerThatDoesNotAnswer(boolean serving) throws IOException {
        try (ScriptedServer server = new ScriptedServer(directory, request -> null)) {
            long start = System.nanoTime();
            fails(
                    Errno.ETIMEDOUT,
                    () -> VfioUserClient.connect(server.path, options(serving).withTimeoutMillis(SHORT_MILLIS)));
            long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - start);
            assertTrue(millis >= SHORT_MILLIS - 10 && millis < MOST * SHORT_MILLIS, () -> millis + " ms");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void dropsAReplyThatComesTooLate(boolean serving) throws IOException {
        List<RawMessage> held = new ArrayList<>();
        ScriptedServer.Script script = ScriptedServer.afterVersion(request -> {
            held.add(request);
            if (held.size() == 1) {
                return null;
            }
            byte[] late =
                    ScriptedServer.good(held.get(0), Bytes.of().u32(16, 0, 1, 1).get());
            return Bytes.of()
                    .raw(late)
                    .raw(ScriptedServer.good(
                            request, Bytes.of().u32(16, 0, 2, 2).get()))
                    .get();
        });
        try (ScriptedServer server = new ScriptedServer(directory, script);
                VfioUserClient client =
                        VfioUserClient.connect(server.path, options(serving).withTimeoutMillis(PATIENT_MILLIS))) {
            fails(Errno.ETIMEDOUT, client::deviceInfo);
            assertEquals(2, regions(client));
        }
    }

    /** Asks until it is answered in time. */
    private static int regions(VfioUserClient client) throws IOException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(TIMELY_SECONDS);
        while (true) {
            try {
                return client.deviceInfo().regions();
            } catch (ErrnoException e) {
                if (e.errno() != Errno.ETIMEDOUT || System.nanoTime() > deadline) {
                    throw e;
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void noticesThatTheServerHasGone(boolean serving) throws IOException {
        try (ScriptedServer server = new ScriptedServer(directory, ScriptedServer.afterVersion(request -> null));
                VfioUserClient client = VfioUserClient.connect(
                        server.path,
                        ClientOptions.DEFAULT.withDmaTarget(serving ? target() : null, DmaLayout.SPECIFICATION))) {
            Thread killer = new Thread(server::disconnect);
            killer.start();
            fails(Errno.ENOTCONN, client::deviceInfo);
            fails(Errno.ENOTCONN, () -> client.regionWrite(0, 0, 4, 1, true));
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void refusesBrokenAndShortReplies(boolean serving) throws IOException {
        AtomicInteger round = new AtomicInteger();
        ScriptedServer.Script script = ScriptedServer.afterVersion(request -> {
            byte[] reply = ScriptedServer.good(request, new byte[round.get() < 16 ? round.getAndIncrement() : 16]);
            if (round.get() == 16 && request.command() == Command.DEVICE_RESET) {
                reply[4] = 3; // smaller than a header
            }
            return reply;
        });
        try (ScriptedServer server = new ScriptedServer(directory, script);
                VfioUserClient client = VfioUserClient.connect(server.path, options(serving))) {
            for (int i = 0; i < 16; i++) {
                fails(Errno.EPROTO, client::deviceInfo);
            }
            client.deviceInfo();
            assertThrows(IOException.class, client::deviceReset);
        }
    }

    @Test
    void refusesCapabilitiesThatPointOutside() throws IOException {
        long[] offsets = {1, 31, 33, 80, 0xffff_fff0L};
        AtomicInteger round = new AtomicInteger();
        ScriptedServer.Script script = ScriptedServer.afterVersion(request -> {
            long offset = offsets[round.getAndIncrement()];
            return ScriptedServer.good(
                    request,
                    Bytes.of().u32(32, 15, 0, offset).u64(4096, 0).zeros(16).get());
        });
        try (ScriptedServer server = new ScriptedServer(directory, script);
                VfioUserClient client = VfioUserClient.connect(server.path)) {
            for (int i = 0; i < offsets.length; i++) {
                fails(Errno.EPROTO, () -> client.regionInfo(0));
            }
        }
    }

    @Test
    void refusesAnErrorWithoutANumber() throws IOException {
        ScriptedServer.Script script = ScriptedServer.afterVersion(request ->
                RawMessage.encode(request.id(), request.command(), 1 | MessageHeader.FLAG_ERROR, 0, new byte[0]));
        try (ScriptedServer server = new ScriptedServer(directory, script);
                VfioUserClient client = VfioUserClient.connect(server.path)) {
            fails(Errno.EPROTO, client::deviceReset);
        }
    }

    @Test
    void tellsWhyItCannotConnect() throws IOException {
        String missing = directory.resolve("nobody").toString();
        ErrnoException e = assertThrows(ErrnoException.class, () -> VfioUserClient.connect(missing));
        assertEquals("connect to " + missing + ": no such file or directory", e.getMessage());
    }

    @Test
    void usesADifferentIdForEachMessage() throws IOException {
        List<Integer> ids = new ArrayList<>();
        ScriptedServer.Script script = ScriptedServer.afterVersion(request -> {
            ids.add(request.id());
            return (request.flags() & MessageHeader.FLAG_NO_REPLY) == 0
                    ? ScriptedServer.good(request, Bytes.of().u32(16, 0, 2, 2).get())
                    : null;
        });
        try (ScriptedServer server = new ScriptedServer(directory, script);
                VfioUserClient client = VfioUserClient.connect(server.path)) {
            for (int i = 0; i < 70_000; i++) {
                client.regionWrite(0, 0, 1, i, true);
            }
            client.deviceInfo();
        }
        for (int i = 1; i < ids.size(); i++) {
            assertEquals(ids.get(i - 1) + 1 & 0xffff, ids.get(i));
        }
    }

    @Test
    void manyThreadsShareOneClient() throws Exception {
        for (boolean serving : new boolean[] {false, true}) {
            try (TestServer server = new TestServer(directory);
                    VfioUserClient client = server.client(
                            ClientOptions.DEFAULT.withDmaTarget(serving ? target() : null, DmaLayout.SPECIFICATION))) {
                List<Thread> threads = new ArrayList<>();
                AtomicInteger good = new AtomicInteger();
                for (int t = 0; t < 4; t++) {
                    long offset = 8L * t;
                    threads.add(new Thread(() -> {
                        try {
                            for (int i = 0; i < 1000; i++) {
                                client.regionWrite(0, offset, 8, i ^ offset << 32, i % 3 == 0);
                                if (client.regionRead(0, offset, 8) == (i ^ offset << 32)) {
                                    good.incrementAndGet();
                                }
                            }
                        } catch (IOException e) {
                            throw new java.io.UncheckedIOException(e);
                        }
                    }));
                }
                threads.forEach(Thread::start);
                for (Thread thread : threads) {
                    thread.join();
                }
                assertEquals(4000, good.get());
            }
        }
    }

    private static DmaTarget target() {
        return new BufferDmaTarget(0, ByteBuffer.allocate(4096));
    }

    private static ClientOptions options(boolean serving) {
        return ClientOptions.DEFAULT.withDmaTarget(serving ? target() : null, DmaLayout.SPECIFICATION);
    }

    private static void fails(int errno, Executable action) {
        assertEquals(errno, assertThrows(ErrnoException.class, action).errno());
    }
}
