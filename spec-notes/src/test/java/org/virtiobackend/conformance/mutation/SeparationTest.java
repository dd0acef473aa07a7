package org.virtiobackend.conformance.mutation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.conformance.DeviceUnderTest;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Verdict;

/** A device that is wrong in one thing, in every request, fails the clause about that and no other. */
class SeparationTest {
    private static final long TIMEOUT_MILLIS = 10_000;
    private static final long QUIET_MILLIS = 2;

    @TempDir
    Path directory;

    private Set<String> failures(List<Fault> faults, String name) throws Exception {
        Fault fault = faults.stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow();
        List<Glob> only = Glob.all("ring.*", "split.*", "init.*", "isr.*", "msix.*", "blk.*");
        RunOptions options = new RunOptions(only, 1, false, false, Set.of(MemoryKind.DIRECT));
        try (DeviceUnderTest device =
                new DeviceUnderTest(directory, null, false, fault.bending().get())) {
            Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
            return runner
                    .run(device.target(TIMEOUT_MILLIS, QUIET_MILLIS), options, Progress.NONE)
                    .clauses()
                    .stream()
                    .filter(clause -> clause.verdict() == Verdict.FAIL)
                    .map(clause -> clause.clause().id())
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @Test
    void usedLength() throws Exception {
        assertEquals(Set.of("TEXT-USED-DEV-01"), failures(RingFaults.all(), "used length one too little"));
    }

    @Test
    void framing() throws Exception {
        Set<String> failures = failures(RingFaults.all(), "a header must lie in one descriptor");
        assertEquals(Set.of("SPLIT-FRAMING-DEV-01"), failures);
    }
}
