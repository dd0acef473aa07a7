package org.virtiobackend.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Target;
import org.virtiobackend.conformance.runner.Verdict;
import org.virtiobackend.devices.fs.FsSettings;
import org.virtiobackend.devices.fs.VirtioFsDevice;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.devices.fs.passthrough.SharedDirectory;
import org.virtiobackend.devices.net.MacAddress;
import org.virtiobackend.devices.net.NetSettings;
import org.virtiobackend.devices.net.VirtioNetDevice;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** The runner has nothing to say against our own device, with any policy, in both ring layouts. */
class OurDevicesTest {
    private static final long TIMEOUT_MILLIS = 10_000;
    private static final long QUIET_MILLIS = 2;

    @TempDir
    Path directory;

    private RunResult run(Kind kind, boolean readOnly, String... only) throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        try (DeviceUnderTest device = new DeviceUnderTest(directory, kind, readOnly, DeviceUnderTest.STRAIGHT)) {
            RunResult result = runner.run(
                    device.target(TIMEOUT_MILLIS, QUIET_MILLIS),
                    new RunOptions(List.of(only), 1, false, false, Set.of()),
                    Progress.NONE);
            assertTrue(result.isComplete());
            return result;
        }
    }

    private static Set<String> failures(RunResult result) {
        return result.clauses().stream()
                .filter(clause -> clause.verdict() == Verdict.FAIL)
                .map(clause -> clause.clause().id() + ": " + clause.detail() + " (" + clause.where() + ")")
                .collect(Collectors.toSet());
    }

    private static void assertJudged(RunResult result, int least) {
        List<ClauseResult> passed = result.clauses().stream()
                .filter(clause -> clause.verdict() == Verdict.PASS)
                .toList();
        assertTrue(passed.size() >= least, () -> "only " + passed.size() + " clauses were judged");
    }

    @Test
    void direct() throws Exception {
        RunResult result = run(null, false);
        assertEquals(Set.of(), failures(result));
        assertEquals(List.of(MemoryKind.DIRECT, MemoryKind.MESSAGES), result.memory());
        assertJudged(result, 115);
    }

    @Test
    void readOnly() throws Exception {
        RunResult result = run(null, true, "blk.", "pci.", "init.");
        assertEquals(Set.of(), failures(result));
        assertJudged(result, 30);
    }

    @Test
    void restricted() throws Exception {
        RunResult result = run(Kind.RESTRICTED, false);
        assertEquals(Set.of(), failures(result));
        assertEquals(List.of(MemoryKind.DMB, MemoryKind.SWIOTLB), result.memory());
        assertJudged(result, 140);
    }

    @Test
    void prefer() throws Exception {
        RunResult result = run(Kind.PREFER, false);
        assertEquals(Set.of(), failures(result));
        assertEquals(List.of(MemoryKind.values()), result.memory());
        assertJudged(result, 145);
    }

    /** This policy shows the region and does not offer the feature, which the SWIOTLB proposal asks for. */
    @Test
    void hint() throws Exception {
        RunResult result = run(Kind.HINT, false, "region.", "pci.", "ring.");
        assertEquals(
                List.of("SWIOTLB-DEV-02"),
                result.weaknesses().stream().map(c -> c.clause().id()).toList());
        assertEquals(1, failures(result).size());
    }

    private RunResult run(Kind kind, UnaryOperator<VirtioDevice> other) throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        Bending bending = new Bending() {
            @Override
            public VirtioDevice device(VirtioDevice device) {
                return other.apply(device);
            }
        };
        try (DeviceUnderTest device = new DeviceUnderTest(directory, kind, false, bending)) {
            Target target = new Target(device.path(), TIMEOUT_MILLIS, QUIET_MILLIS, null);
            return runner.run(target, RunOptions.DEFAULT, Progress.NONE);
        }
    }

    @Test
    void fileSystem() throws Exception {
        Path shared = Files.createDirectory(directory.resolve("shared"));
        try (SharedDirectory export = SharedDirectory.open(shared.toString(), PassthroughOptions.defaults());
                IoPool pool = new IoPool(1)) {
            RunResult result = run(null, device -> {
                try {
                    return new VirtioFsDevice(export.newServer(), pool, new FsSettings("conformance", 1, 64));
                } catch (ErrnoException e) {
                    throw new IllegalStateException(e);
                }
            });
            assertEquals(Set.of(), failures(result));
            assertTrue(result.isComplete());
            assertJudged(result, 100);
        }
    }

    /** Rings and transport only: the network device's own clauses have no checks yet. */
    @Test
    void network() throws Exception {
        NetSettings settings = new NetSettings(MacAddress.parse("52:54:00:00:00:01"), 0, 1, 64);
        RunResult result = run(null, device -> new VirtioNetDevice(new LoopbackBackend(1), settings));
        assertEquals(Set.of(), failures(result));
        assertTrue(result.isComplete());
        assertJudged(result, 95);
    }
}
