package org.virtiobackend.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.NetPeer;
import org.virtiobackend.conformance.runner.NetPeers;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Target;
import org.virtiobackend.conformance.runner.Verdict;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.backend.StreamBackend;
import org.virtiobackend.devices.net.backend.TapBackend;
import org.virtiobackend.posix.DirectoryChanges;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** The runner has nothing to say against our own devices, with any policy, in both ring layouts. */
@Execution(ExecutionMode.CONCURRENT)
class OurDevicesTest {
    private static final long TIMEOUT_MILLIS = 30_000;
    private static final long QUIET_MILLIS = 2;
    /** Frames for a receive queue that is being reset are dropped, not sent to another one. */
    private static final String OTHER_QUEUE = "NET-MQ-DEV-03";
    /** The policy that shows the region and does not offer the feature, which the SWIOTLB proposal asks for. */
    private static final String NO_FEATURE = "SWIOTLB-DEV-02";

    @TempDir
    Path directory;

    private RunResult run(Kind kind, boolean readOnly, String... only) throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        try (DeviceUnderTest device = new DeviceUnderTest(directory, kind, readOnly, DeviceUnderTest.STRAIGHT)) {
            RunResult result = runner.run(
                    device.target(TIMEOUT_MILLIS, QUIET_MILLIS),
                    new RunOptions(Glob.all(only), 1, false, false, Set.of()),
                    Progress.NONE);
            assertTrue(result.isComplete());
            return result;
        }
    }

    private static Set<String> failures(RunResult result) {
        return result.clauses().stream()
                .filter(clause -> clause.verdict() == Verdict.FAIL)
                .map(clause -> clause.clause().id() + ": " + clause.detail() + " (" + clause.where() + ")")
                .collect(Collectors.toCollection(HashSet::new));
    }

    /** No MUST is broken, and of the SHOULDs these only. */
    private static void assertGood(RunResult result, List<String> weaknesses) {
        Set<String> others = failures(result);
        for (String weakness : weaknesses) {
            assertTrue(others.removeIf(failure -> failure.startsWith(weakness)), weakness + " is met now");
        }
        assertEquals(Set.of(), others);
    }

    private static void assertJudged(RunResult result, int least) {
        List<ClauseResult> passed = result.clauses().stream()
                .filter(clause -> clause.verdict() == Verdict.PASS)
                .toList();
        assertTrue(passed.size() >= least, () -> "only " + passed.size() + " clauses were judged");
    }

    @Test
    void readOnly() throws Exception {
        RunResult result = run(null, true, "blk.*", "pci.*", "init.*");
        assertGood(result, List.of());
        assertJudged(result, 30);
    }

    /** Clauses that only a region has, at least. */
    private static final int OF_THE_REGION = 20;

    /** The devices that there are, and how many clauses at least a run of each decides. */
    private enum Device {
        BLOCK(115),
        FILE_SYSTEM(100),
        NETWORK(160);

        private final int least;

        Device(int least) {
            this.least = least;
        }
    }

    static Stream<Arguments> devicesAndPolicies() {
        return Arrays.stream(Device.values())
                .flatMap(device -> Stream.of(null, Kind.RESTRICTED, Kind.PREFER, Kind.HINT)
                        .map(policy -> Arguments.of(device, policy)));
    }

    /** @param policy null for one without a region */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("devicesAndPolicies")
    void keepsToTheSpecification(Device device, Kind policy) throws Exception {
        RunResult result = switch (device) {
            case BLOCK -> run(policy, DeviceUnderTest.STRAIGHT);
            case FILE_SYSTEM -> run(policy, new FsUnderTest(Notifications.NONE));
            case NETWORK -> run(policy, new NetUnderTest());
        };
        List<String> weaknesses = new ArrayList<>();
        if (device == Device.NETWORK) {
            weaknesses.add(OTHER_QUEUE);
        }
        if (policy == Kind.HINT) {
            weaknesses.add(NO_FEATURE);
        }
        assertGood(result, weaknesses);
        assertRings(result, memory(policy));
        boolean offered = policy == Kind.RESTRICTED || policy == Kind.PREFER;
        assertJudged(result, device.least + (offered ? OF_THE_REGION : 0));
    }

    private static MemoryKind[] memory(Kind policy) {
        if (policy == Kind.PREFER) {
            return MemoryKind.values();
        }
        return policy == Kind.RESTRICTED
                ? new MemoryKind[] {MemoryKind.DMB, MemoryKind.SWIOTLB}
                : new MemoryKind[] {MemoryKind.DIRECT, MemoryKind.MESSAGES};
    }

    /** Both layouts of rings, in each of these kinds of memory. */
    private static void assertRings(RunResult result, MemoryKind... memory) {
        assertEquals(List.of(memory), result.memory());
        Set<String> expected = new HashSet<>();
        for (MemoryKind kind : memory) {
            expected.add("split, " + kind.text());
            expected.add("packed, " + kind.text());
        }
        assertEquals(expected, Set.copyOf(result.rings()));
    }

    private RunResult run(Kind kind, Bending other) throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        try (DeviceUnderTest device = new DeviceUnderTest(directory, kind, false, other)) {
            RunResult result =
                    runner.run(device.target(TIMEOUT_MILLIS, QUIET_MILLIS), RunOptions.DEFAULT, Progress.NONE);
            assertTrue(result.isComplete());
            return result;
        }
    }

    /** With the queue for notifications the others have other numbers. */
    @Test
    void fileSystemThatTellsOfChanges() throws Exception {
        try {
            DirectoryChanges.open().close();
        } catch (ErrnoException e) {
            abort(e.getMessage());
        }
        RunResult result = run(null, new FsUnderTest(Notifications.ALL));
        assertGood(result, List.of());
        assertJudged(result, Device.FILE_SYSTEM.least);
        assertTrue(result.clauses().stream()
                .anyMatch(
                        clause -> clause.clause().id().equals("FS-CONFIG-DEV-02") && clause.verdict() == Verdict.PASS));
    }

    @Test
    void withoutThePeerFramesAreNotObservable() throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        RunOptions options = new RunOptions(Glob.all("net.*"), 1, false, false, Set.of(MemoryKind.DIRECT));
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, new NetUnderTest())) {
            Target target = new Target(device.path(), TIMEOUT_MILLIS, QUIET_MILLIS, null);
            List<ClauseResult> unseen = runner.run(target, options, Progress.NONE).clauses().stream()
                    .filter(clause -> clause.clause().when().mentions("peer"))
                    .toList();
            assertTrue(unseen.size() > 50);
            for (ClauseResult clause : unseen) {
                assertEquals(
                        Verdict.NOT_OBSERVABLE,
                        clause.verdict(),
                        clause.clause().id());
                assertTrue(clause.detail().contains("--net-peer"), clause.detail());
            }
        }
    }

    /** The runner is at the other end of the link. */
    @Test
    void networkWithPeer() throws Exception {
        String path = directory.resolve("link.sock").toString();
        try (NetPeer peer = NetPeers.open("stream:" + path)) {
            RunResult result = run(null, new Linked(() -> new StreamBackend(path), peer));
            assertGood(result, List.of());
            assertJudged(result, 120);
        }
    }

    /** The kernel is in between, and makes use of what was negotiated. */
    @Test
    void networkOnATap() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "taps can be opened here");
        assumeTrue("root".equals(System.getProperty("user.name")), "taps can be created here");
        String name = "vbc" + ProcessHandle.current().pid() % 1_000_000;
        try (TapBackend tap = TapBackend.open(name, 1);
                NetPeer peer = NetPeers.open("tap:" + name)) {
            RunResult result = run(null, new Linked(() -> tap, peer));
            assertGood(result, List.of());
            assertJudged(result, 130);
        }
    }

    /** Our network device on a link whose other end somebody else has. */
    private static final class Linked extends NetUnderTest {
        private final Supplier<NetBackend> backend;
        private final NetPeer peer;

        Linked(Supplier<NetBackend> backend, NetPeer peer) {
            this.backend = backend;
            this.peer = peer;
        }

        @Override
        protected NetBackend backend() {
            return backend.get();
        }

        @Override
        public NetPeer peer() {
            return peer;
        }

        @Override
        public boolean changes() {
            return false;
        }
    }
}
