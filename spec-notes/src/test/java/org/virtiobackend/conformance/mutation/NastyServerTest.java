package org.virtiobackend.conformance.mutation;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.virtiobackend.conformance.DeviceUnderTest;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.CannotRunException;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Target;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegion;

/** Servers that hang, hang up, talk nonsense or lie: the runner always ends, and says that something is wrong. */
@Execution(ExecutionMode.CONCURRENT)
class NastyServerTest {
    /** Only so that a runner that does not end fails here and not in the build's time limit. */
    private static final Duration GUARD = Duration.ofSeconds(120);

    private static final long TIMEOUT_MILLIS = 200;
    /** Where nothing is waited for in vain. */
    private static final long LONG_TIMEOUT_MILLIS = 5_000;

    @TempDir
    Path directory;

    /** What a server does with a client. */
    private interface Manners {
        void serve(SocketChannel client) throws IOException;
    }

    private static RunResult run(Target target) throws CannotRunException {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        RunOptions options = new RunOptions(Glob.all("init.*", "common.*", "ring.*"), 1, false, false, Set.of());
        return assertTimeoutPreemptively(GUARD, () -> runner.run(target, options, Progress.NONE));
    }

    private void refusesToRun(Manners manners) throws Exception {
        Path path = directory.resolve("nasty.sock");
        try (ServerSocketChannel server = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            server.bind(UnixDomainSocketAddress.of(path));
            Thread thread = new Thread(() -> serve(server, manners), "nasty-server");
            thread.setDaemon(true);
            thread.start();
            Target target = new Target(path.toString(), TIMEOUT_MILLIS, 1, null);
            assertThrows(CannotRunException.class, () -> run(target));
        }
    }

    private static void serve(ServerSocketChannel server, Manners manners) {
        try {
            while (true) {
                manners.serve(server.accept());
            }
        } catch (IOException e) {
            // the test is over
        }
    }

    @Test
    void nobodyListens() {
        Target target = Target.of(directory.resolve("absent.sock").toString());
        assertThrows(CannotRunException.class, () -> run(target));
    }

    @Test
    void neverAnswers() throws Exception {
        refusesToRun(client -> {});
    }

    @Test
    void hangsUp() throws Exception {
        refusesToRun(SocketChannel::close);
    }

    @Test
    void talksNonsense() throws Exception {
        refusesToRun(client -> {
            byte[] noise = new byte[4096];
            new Random(7).nextBytes(noise);
            client.write(ByteBuffer.wrap(noise));
        });
    }

    @Test
    void announcesAMessageThatNeverComes() throws Exception {
        refusesToRun(client -> client.write(ByteBuffer.wrap(new byte[] {1, 0, 1, 0, 0, 0, 1, 0, 1, 0})));
    }

    /** Blocks a function in the middle of the run; the server itself stays there. */
    @Test
    void hangsInTheMiddle() throws Exception {
        CountDownLatch over = new CountDownLatch(1);
        Bending hanging = Bend.function(f -> new Counting(f) {
            @Override
            void at(int access) {
                if (access > 200) {
                    awaitUninterruptibly(over);
                }
            }
        });
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, hanging)) {
            try {
                RunResult result = run(device.target(TIMEOUT_MILLIS, 1));
                assertTrue(!result.isComplete() || !result.faults().isEmpty());
            } catch (CannotRunException e) {
                assertTrue(e.getMessage().contains("timed out"), e::getMessage); // it hung from the start
            } finally {
                over.countDown();
            }
        }
    }

    @Test
    void fallsOverInTheMiddle() throws Exception {
        AtomicInteger reads = new AtomicInteger(); // of all clients: one alone may have done before
        Bending falling = Bend.function(f -> new Counting(f) {
            @Override
            void at(int access) {
                if (reads.incrementAndGet() % 300 == 0) {
                    throw new IllegalStateException("as if the server fell over");
                }
            }
        });
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, falling)) {
            RunResult result = run(device.target(LONG_TIMEOUT_MILLIS, 1));
            assertTrue(!result.isComplete() || !result.faults().isEmpty());
        }
    }

    @Test
    void liesAboutTheSizesOfRegions() throws Exception {
        Bending lying = Bend.function(f -> new BentFunction(f) {
            @Override
            public PciRegion region(int index) {
                PciRegion real = super.region(index);
                return index < 6 && real.size() > 0 ? PciRegion.trapped(1L << 45) : real;
            }
        });
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, lying)) {
            Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
            RunOptions options = new RunOptions(Glob.all("pci.*"), 1, false, false, Set.of());
            RunResult result = assertTimeoutPreemptively(
                    GUARD, () -> runner.run(device.target(LONG_TIMEOUT_MILLIS, 1), options, Progress.NONE));
            assertFalse(result.faults().isEmpty());
        }
    }

    private static void awaitUninterruptibly(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private static class Counting extends BentFunction {
        private int accesses;

        Counting(PciFunction f) {
            super(f);
        }

        void at(int access) {}

        @Override
        long read(int region, long offset, int length, long value) {
            at(accesses++);
            return value;
        }
    }
}
