package org.virtiobackend.conformance.mutation;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Execution;
import org.junit.jupiter.api.parallel.ExecutionMode;
import org.virtiobackend.conformance.DeviceUnderTest;
import org.virtiobackend.conformance.DeviceUnderTest.Bending;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Verdict;

/** A device that is wrong in one thing, in every request, fails the clause about that and no other. */
@Execution(ExecutionMode.CONCURRENT)
class SeparationTest {
    private static final long TIMEOUT_MILLIS = 30_000;
    private static final long QUIET_MILLIS = 2;
    private static final int QUEUE_SIZE = 0x18;

    @TempDir
    Path directory;

    private static Bending named(List<Fault> faults, String name) {
        return faults.stream()
                .filter(candidate -> candidate.name().equals(name))
                .findFirst()
                .orElseThrow()
                .bending()
                .get();
    }

    private Set<String> failures(Bending bending, String... only) throws Exception {
        RunOptions options = new RunOptions(Glob.all(only), 1, false, false, Set.of(MemoryKind.DIRECT));
        try (DeviceUnderTest device = new DeviceUnderTest(directory, null, false, bending)) {
            Runner runner = new Runner(ClauseCatalogue.load(), Checks.all(), Checks.probes());
            return runner.run(device.target(TIMEOUT_MILLIS, QUIET_MILLIS), options, Progress.NONE).clauses().stream()
                    .filter(clause -> clause.verdict() == Verdict.FAIL)
                    .map(clause -> clause.clause().id())
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    @Test
    void usedLength() throws Exception {
        Bending short1 = named(SplitRingFaults.all(), "used length one too little");
        String[] only = {"ring.*", "split.*", "init.*", "isr.*", "msix.*", "blk.*"};
        assertEquals(Set.of("TEXT-USED-DEV-01"), failures(short1, only));
    }

    @Test
    void framing() throws Exception {
        Bending whole = named(BufferFaults.all(), "a header must lie in one descriptor");
        String[] only = {"ring.*", "split.*", "init.*", "isr.*", "msix.*", "blk.*"};
        assertEquals(Set.of("SPLIT-FRAMING-DEV-01"), failures(whole, only));
    }

    @Test
    void missingWindow() throws Exception {
        Bending without = named(FunctionFaults.all(), "no window capability");
        assertEquals(Set.of("PCI-CFGACCESS-DEV-01"), failures(without, "pci.*", "window.*"));
    }

    /** A size that is no power of two, left over from a packed ring, makes no broken split ring. */
    @Test
    void sizeThatSurvivesAReset() throws Exception {
        Bending keeping = Bend.function(f -> new BentFunction(f) {
            private long last;

            @Override
            void write(int region, long offset, int length, long wanted) {
                last = isRegister(region, offset, QUEUE_SIZE) ? wanted : last;
                pass(region, offset, length, wanted);
            }

            @Override
            long read(int region, long offset, int length, long real) {
                if (!isRegister(region, offset, QUEUE_SIZE) || last == 0 || real == 0) {
                    return real;
                }
                pass(region, offset, 2, last); // our device takes such a size for a packed ring only
                return last;
            }
        });
        assertEquals(Set.of(), failures(keeping, "packed.*", "ring.*", "blk.*"));
    }
}
