package org.virtiobackend.conformance.runner;

import java.util.List;

/**
 * Everything about one run.
 *
 * @param device type, in words
 * @param offered features, in words
 * @param memory kinds of memory that were used
 * @param rings layouts of rings that checks ran with in each kind of memory, such as {@code split, direct}
 * @param remarks why other kinds were not
 * @param featureSets how many sets of features were negotiated
 * @param checkRuns how many checks ran, a configuration at a time
 * @param clauses in the order of the catalogue: those of the device side that were chosen
 */
public record RunResult(
        String socketPath,
        String device,
        String offered,
        List<MemoryKind> memory,
        List<String> rings,
        List<String> remarks,
        int featureSets,
        long seed,
        long millis,
        int checkRuns,
        List<ClauseResult> clauses) {
    public long count(Verdict verdict) {
        return clauses.stream().filter(result -> result.verdict() == verdict).count();
    }

    /** Broken MUSTs. */
    public List<ClauseResult> faults() {
        return clauses.stream().filter(ClauseResult::isFault).toList();
    }

    /** SHOULDs that are not met. */
    public List<ClauseResult> weaknesses() {
        return clauses.stream().filter(ClauseResult::isWeakness).toList();
    }

    /** Whether the run went to its end. */
    public boolean isComplete() {
        return count(Verdict.NOT_RUN) == 0;
    }
}
