package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.vfiouser.client.ClientOptions;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.wire.Command;

/** A server of fake functions on a real socket, and ways to talk to it. */
public final class TestServer implements AutoCloseable {
    public static final long WAIT_MILLIS = 10_000;

    public final String path;
    public final VfioUserServer server;
    public final BlockingQueue<String> events = new LinkedBlockingQueue<>();
    private final BlockingQueue<FakeFunction> functions = new LinkedBlockingQueue<>();

    public TestServer(Path directory) throws IOException {
        this(directory, SessionTimes.DEFAULT);
    }

    TestServer(Path directory, SessionTimes times) throws IOException {
        this(directory, times, null);
    }

    /** @param factory null: fake functions, see {@link #function} */
    TestServer(Path directory, SessionTimes times, PciFunctionFactory factory) throws IOException {
        path = directory.resolve("vfu.sock").toString();
        server = VfioUserServer.listen(path, times, factory == null ? this::fake : factory, new SessionListener() {
            @Override
            public void connected(ClientSession session) {
                events.add("connected " + session.id());
            }

            @Override
            public void disconnected(ClientSession session, String reason) {
                events.add("disconnected " + session.id() + ": " + reason);
            }
        });
    }

    private FakeFunction fake(DmaMap dmaMap, ClientSession session) throws ErrnoException {
        FakeFunction function = new FakeFunction(dmaMap, session);
        functions.add(function);
        return function;
    }

    public VfioUserClient client() throws IOException {
        return VfioUserClient.connect(path);
    }

    public VfioUserClient client(ClientOptions options) throws IOException {
        return VfioUserClient.connect(path, options);
    }

    /** Connected, nothing said yet. */
    public RawConnection raw() throws IOException {
        return RawConnection.connect(path, WAIT_MILLIS);
    }

    /** Connected, version negotiated without a text. */
    public RawConnection negotiated() throws IOException {
        RawConnection connection = raw();
        connection.send(RawMessage.command(0xffff, Command.VERSION, new byte[4]));
        assertOk(connection.receive());
        return connection;
    }

    /** The function of the next client that has negotiated. */
    public FakeFunction function() throws InterruptedException {
        FakeFunction function = functions.poll(WAIT_MILLIS, TimeUnit.MILLISECONDS);
        assertNotNull(function, "no client has negotiated");
        return function;
    }

    @Override
    public void close() {
        server.close();
    }

    public static RawMessage assertOk(RawMessage reply) {
        assertNotNull(reply, "connection closed");
        assertTrue(reply.isReply());
        assertFalse(reply.isError(), () -> "errno " + reply.errno());
        return reply;
    }

    /** An error reply is a header with a number. */
    public static void assertErrno(int errno, RawMessage reply) {
        assertNotNull(reply, "connection closed");
        assertTrue(reply.isReply());
        assertTrue(reply.isError());
        assertEquals(errno, reply.errno());
        assertEquals(0, reply.payload().length);
        assertTrue(reply.fds().isEmpty());
    }

    /** Waits for something that another thread brings about. */
    public static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(WAIT_MILLIS);
        while (!condition.getAsBoolean()) {
            assertTrue(System.nanoTime() - deadline < 0, "never: " + what);
            Thread.yield();
        }
    }

    /** Waits until an eventfd is signalled and returns its counter. */
    public static long awaitSignal(EventFd eventFd) throws IOException {
        Poller poller = new Poller(1);
        poller.add(eventFd.fd(), Poller.POLLIN);
        assertEquals(1, poller.poll((int) WAIT_MILLIS), "eventfd not signalled");
        return eventFd.drain();
    }

    /** Descriptors of this process without those that the JVM opens when it likes: of its classes, of /proc and /sys. */
    public static int openFds() {
        int count = 0;
        for (String fd : new File("/proc/self/fd").list()) {
            try {
                String target =
                        Files.readSymbolicLink(Path.of("/proc/self/fd", fd)).toString();
                if (!target.startsWith("/proc/")
                        && !target.startsWith("/sys/")
                        && !target.endsWith(".jar")
                        && !target.endsWith(".class")) {
                    count++;
                }
            } catch (IOException e) {
                continue; // closed since it was listed
            }
        }
        return count;
    }

    /** Waits until so many descriptors are open. */
    public static void awaitFds(int expected) {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(WAIT_MILLIS);
        int open;
        while ((open = openFds()) != expected && System.nanoTime() - deadline < 0) {
            Thread.yield();
        }
        assertEquals(expected, open, "open descriptors");
    }

    public static Fd[] fds(EventFd... eventFds) {
        Fd[] fds = new Fd[eventFds.length];
        for (int i = 0; i < fds.length; i++) {
            fds[i] = eventFds[i].fd();
        }
        return fds;
    }
}
