package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.virtiobackend.conformance.clause.Clause;

/** What one run of a check found out about its clauses. One thread. */
final class Findings {
    /** A failure. */
    record Failure(String message, List<String> trace) {}

    private final Map<String, Clause> clauses;
    private final Predicate<Clause> applies;
    private final Trace trace;
    private final Map<String, Failure> failures = new LinkedHashMap<>();
    private final Map<String, Integer> passes = new LinkedHashMap<>();
    private final Map<String, String> notes = new LinkedHashMap<>();
    private Clause current;

    /** @param clauses those of the check, by id */
    Findings(Map<String, Clause> clauses, Predicate<Clause> applies, Trace trace) {
        this.clauses = clauses;
        this.applies = applies;
        this.trace = trace;
    }

    boolean about(String id) {
        Clause clause = clauses.get(id);
        if (clause == null) {
            throw new IllegalArgumentException("the check does not name " + id);
        }
        boolean given = applies.test(clause);
        current = given ? clause : null;
        if (given) {
            trace.add("-- " + id + ": " + clause.summary());
        }
        return given;
    }

    void judge(boolean good, String message, List<String> rings) {
        if (current == null) {
            return;
        }
        if (good) {
            passes.merge(current.id(), 1, Integer::sum);
        } else {
            fail(message, rings);
        }
    }

    /** Charges the clause in question; without one, every clause of the check that applies. */
    void fail(String message, List<String> rings) {
        trace.add("!! " + message);
        List<String> lines = new ArrayList<>(trace.lines());
        lines.addAll(rings);
        for (Clause clause : clauses.values()) {
            if (current == null ? applies.test(clause) : clause == current) {
                failures.putIfAbsent(clause.id(), new Failure(message, lines));
            }
        }
    }

    void note(String id, String reason) {
        if (!clauses.containsKey(id)) {
            throw new IllegalArgumentException("the check does not name " + id);
        }
        notes.put(id, reason);
    }

    Map<String, Failure> failures() {
        return failures;
    }

    Map<String, Integer> passes() {
        return passes;
    }

    /** Clauses that could not be judged, with the reason. */
    Map<String, String> notes() {
        return notes;
    }
}
