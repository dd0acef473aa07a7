package org.virtiobackend.conformance.runner;

import java.util.List;
import org.virtiobackend.conformance.clause.Clause;

/**
 * The verdict about one clause.
 *
 * @param check that decided, or empty
 * @param detail reason or failure, in one line
 * @param where configuration of the failure, or empty
 * @param runs how often it was judged, a configuration at a time
 * @param trace of the failure
 */
public record ClauseResult(
        Clause clause, Verdict verdict, String check, String detail, String where, int runs, List<String> trace) {
    /** A MUST or MUST NOT that is broken. */
    public boolean isFault() {
        return verdict == Verdict.FAIL && clause.keyword().isMandatory();
    }

    /** A SHOULD or SHOULD NOT that is not met. */
    public boolean isWeakness() {
        return verdict == Verdict.FAIL && !clause.keyword().isMandatory();
    }
}
