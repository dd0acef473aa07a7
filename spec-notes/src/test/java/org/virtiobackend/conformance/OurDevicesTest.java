package org.virtiobackend.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Verdict;
import org.virtiobackend.virtio.pci.RegionPolicy.Kind;

/** The runner has nothing to say against our own device, with any policy, in both ring layouts. */
class OurDevicesTest {
    private static final long TIMEOUT_MILLIS = 10_000;

    @TempDir
    Path directory;

    private RunResult run(Kind kind, boolean readOnly, String... only) throws Exception {
        Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
        try (DeviceUnderTest device = new DeviceUnderTest(directory, kind, readOnly, DeviceUnderTest.STRAIGHT)) {
            RunResult result =
                    runner.run(device.target(TIMEOUT_MILLIS), new RunOptions(List.of(only), 1, false), Progress.NONE);
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
}
