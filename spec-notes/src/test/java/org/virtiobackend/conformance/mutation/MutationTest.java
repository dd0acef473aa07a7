package org.virtiobackend.conformance.mutation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.virtiobackend.conformance.DeviceUnderTest;
import org.virtiobackend.conformance.checks.Checks;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.runner.CannotRunException;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.Glob;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.Progress;
import org.virtiobackend.conformance.runner.RunOptions;
import org.virtiobackend.conformance.runner.Runner;
import org.virtiobackend.conformance.runner.Target;
import org.virtiobackend.conformance.runner.Verdict;

/** The runner can fail: our device with one fault after the other, each of which it has to put down to its clause. */
class MutationTest {
    /** Faults that make something not happen cost a wait; many are waited for at once. */
    private static final int THREADS = 12;

    private static final long TIMEOUT_MILLIS = 1_500;
    /** For a second try, in case the machine is busy: how long for what has to happen, and for what must not. */
    private static final long LONG_TIMEOUT_MILLIS = 10_000;

    private static final long LONG_QUIET_MILLIS = 300;
    /** For a second try of what did not happen in time: that is how some faults show, and how any may when the machine is busy. */
    private static final long AGAIN_MILLIS = 5_000;
    /** Faults that make something not happen, and some more. */
    private static final int MOST_WAITED = 20;

    private static final Path FILE = Path.of("mutations.md");

    @TempDir
    static Path directory;

    private static final Map<Fault, Future<Map<String, String>>> FAILED = new LinkedHashMap<>();

    static List<Fault> faults() {
        return Stream.of(
                        FunctionFaults.all(),
                        RegisterFaults.all(),
                        InterruptFaults.all(),
                        LifecycleFaults.all(),
                        SplitRingFaults.all(),
                        PackedRingFaults.all(),
                        BufferFaults.all(),
                        BrokenRingFaults.all(),
                        RegionFaults.all(),
                        BlkFaults.all(),
                        NetFrameFaults.all(),
                        NetControlFaults.all(),
                        FsFaults.all())
                .flatMap(List::stream)
                .toList();
    }

    @BeforeAll
    static void runAll() {
        ExecutorService pool = Executors.newFixedThreadPool(THREADS);
        int number = 0;
        for (Fault fault : faults()) {
            Path own = directory.resolve("fault-" + number++);
            FAILED.put(fault, pool.submit(() -> run(fault, own)));
        }
        pool.shutdown();
    }

    private static Map<String, String> run(Fault fault, Path own) throws Exception {
        Files.createDirectory(own);
        try {
            Map<String, String> failed = run(fault, own, TIMEOUT_MILLIS, Target.QUIET_MILLIS);
            String why = failed.get(fault.clause());
            if (isTimeout(why)) {
                failed = run(fault, own, AGAIN_MILLIS, LONG_QUIET_MILLIS);
            }
            if (failed.containsKey(fault.clause())) {
                return failed;
            }
        } catch (CannotRunException e) {
            // not even a connection in that time: the machine is busy
        }
        return run(fault, own, LONG_TIMEOUT_MILLIS, LONG_QUIET_MILLIS);
    }

    private static boolean isTimeout(String why) {
        return why != null && why.startsWith("not within ");
    }

    /** Clauses that fail with the checks that decide the fault's clause, and why. */
    private static Map<String, String> run(Fault fault, Path own, long timeoutMillis, long quietMillis)
            throws Exception {
        ClauseCatalogue catalogue = ClauseCatalogue.load();
        Runner runner = new Runner(catalogue, Checks.all(), Checks.probes());
        RunOptions options = new RunOptions(Glob.all(fault.clause()), 1, false, true, memory(catalogue, fault));
        try (DeviceUnderTest device =
                new DeviceUnderTest(own, fault.kind(), false, fault.bending().get())) {
            return runner.run(device.target(timeoutMillis, quietMillis), options, Progress.NONE).clauses().stream()
                    .filter(clause -> clause.verdict() == Verdict.FAIL)
                    .collect(Collectors.toMap(clause -> clause.clause().id(), ClauseResult::detail));
        }
    }

    /** The kind that shows the fault: one saves time. */
    private static Set<MemoryKind> memory(ClauseCatalogue catalogue, Fault fault) {
        if (catalogue.get(fault.clause()).when().toString().contains("dma-messages")) {
            return Set.of(MemoryKind.MESSAGES);
        }
        if (fault.kind() == null) {
            return Set.of(MemoryKind.DIRECT);
        }
        return fault.clause().startsWith("SWIOTLB") ? Set.of(MemoryKind.SWIOTLB) : Set.of(MemoryKind.DMB);
    }

    @ParameterizedTest
    @MethodSource("faults")
    void isPutDownToItsClause(Fault fault) throws Exception {
        Map<String, String> failed = FAILED.entrySet().stream()
                .filter(entry -> entry.getKey().name().equals(fault.name())
                        && entry.getKey().clause().equals(fault.clause()))
                .findFirst()
                .orElseThrow()
                .getValue()
                .get();
        assertTrue(failed.containsKey(fault.clause()), () -> "failed: " + failed);
    }

    @Test
    void faultsAreManyAndDistinct() {
        Set<String> names = new HashSet<>();
        faults().forEach(fault -> assertTrue(names.add(fault.name() + fault.clause()), fault.toString()));
        assertTrue(names.size() >= 60, () -> "only " + names.size());
    }

    @Test
    void fewAreFoundByWaitingInVain() throws Exception {
        List<String> waited = new ArrayList<>();
        for (Map.Entry<Fault, Future<Map<String, String>>> entry : FAILED.entrySet()) {
            String why = entry.getValue().get().get(entry.getKey().clause());
            if (isTimeout(why)) {
                waited.add(entry.getKey() + ": " + why);
            }
        }
        assertTrue(waited.size() <= MOST_WAITED, () -> waited.size() + " faults: " + waited);
    }

    @Test
    void tableIsUpToDate() throws Exception {
        List<String> rows = new ArrayList<>();
        int detected = 0;
        for (Map.Entry<Fault, Future<Map<String, String>>> entry : FAILED.entrySet()) {
            Fault fault = entry.getKey();
            boolean named = entry.getValue().get().containsKey(fault.clause());
            detected += named ? 1 : 0;
            String policy =
                    fault.kind() == null ? "direct" : fault.kind().name().toLowerCase(java.util.Locale.ROOT);
            rows.add("| " + fault.name() + " | " + policy + " | " + fault.clause() + " | " + (named ? "yes" : "**no**")
                    + " |");
        }
        String text = head(detected, rows.size()) + String.join("\n", rows) + "\n";
        if (Boolean.getBoolean("coverage.write")) {
            Files.writeString(FILE, text);
        }
        assertEquals(text, read(), "spec-notes/mutations.md is old; it says how to write it again");
    }

    private static String read() throws IOException {
        return Files.exists(FILE) ? Files.readString(FILE) : "";
    }

    private static String head(int detected, int all) {
        return "# Faults that the conformance runner finds\n\n"
                + "Our block device, and for their own clauses our network device with a loop behind it and our file system"
                + " device, is made wrong in\none way at a time, by test code around it (`MutationTest`), and the runner has to"
                + " put the failure down to the right clause.\nGenerated; write it again with\n"
                + "`mvn -pl spec-notes -am test -Dtest=MutationTest -Dsurefire.failIfNoSpecifiedTests=false"
                + " -Dcoverage.write=true`.\n\n"
                + "**" + detected + " of " + all + " faults found.**\n\n"
                + "| fault | policy | clause | found |\n|---|---|---|---|\n";
    }
}
