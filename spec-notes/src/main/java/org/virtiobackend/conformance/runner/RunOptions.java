package org.virtiobackend.conformance.runner;

import java.util.List;
import java.util.Set;

/**
 * What to run.
 *
 * @param only patterns of check or clause ids; empty for everything
 * @param seed of every choice
 * @param thorough ring checks run with every set of features that is tried
 * @param failFast stop at the first failure, of one of the chosen clauses if any were chosen by their ids
 * @param memory kinds to use; empty for all that the device works with
 */
public record RunOptions(List<Glob> only, long seed, boolean thorough, boolean failFast, Set<MemoryKind> memory) {
    public static final RunOptions DEFAULT = new RunOptions(List.of(), 1, false, false, Set.of());

    boolean uses(MemoryKind kind) {
        return memory.isEmpty() || memory.contains(kind);
    }

    /** Whether a failure of this clause ends the run. */
    boolean stopsAt(String clause) {
        boolean clauses = only.stream().anyMatch(Glob::isAboutClauses);
        return failFast && (!clauses || only.stream().anyMatch(glob -> glob.matches(clause)));
    }

    boolean chooses(CheckMethod check) {
        return only.isEmpty() || only.stream().anyMatch(check::isChosenBy);
    }
}
