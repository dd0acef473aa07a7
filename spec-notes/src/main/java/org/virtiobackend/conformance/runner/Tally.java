package org.virtiobackend.conformance.runner;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.virtiobackend.conformance.clause.Clause;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.clause.Condition;
import org.virtiobackend.conformance.clause.Side;
import org.virtiobackend.conformance.clause.Status;

/** Adds the findings of all runs up to one verdict per clause. */
final class Tally {
    private static final class Entry {
        private String check = "";
        private int runs;
        private Findings.Failure failure;
        private String failedCheck = "";
        private String where = "";
        private String note = "";
    }

    private final Map<String, Entry> entries = new HashMap<>();
    private final boolean peer;
    private final Predicate<Condition> offered;

    /**
     * @param peer whether the other end of a network device's link is at hand
     * @param offered whether the device offers the features that a condition names
     */
    Tally(boolean peer, Predicate<Condition> offered) {
        this.peer = peer;
        this.offered = offered;
    }

    void add(CheckMethod check, Configuration configuration, Findings findings) {
        findings.passes().forEach((id, count) -> {
            Entry entry = entry(id);
            entry.runs++;
            entry.check = check.id();
        });
        findings.failures().forEach((id, failure) -> {
            Entry entry = entry(id);
            if (entry.failure == null) {
                entry.failure = failure;
                entry.failedCheck = check.id();
                entry.where = configuration.toString();
            }
        });
        findings.notes().forEach((id, reason) -> entry(id).note = reason);
    }

    private Entry entry(String id) {
        return entries.computeIfAbsent(id, key -> new Entry());
    }

    /**
     * Verdicts of the device's clauses in the order of the catalogue.
     *
     * @param chosen checks of the run
     * @param deviceType of the device
     * @param aborted why the run ended early, or null
     * @param all also clauses without a check
     */
    List<ClauseResult> results(
            ClauseCatalogue catalogue, List<CheckMethod> chosen, int deviceType, String aborted, boolean all) {
        Map<String, String> checkOf = new LinkedHashMap<>();
        chosen.forEach(check -> check.clauses().forEach(id -> checkOf.putIfAbsent(id, check.id())));
        List<ClauseResult> results = new ArrayList<>();
        for (Clause clause : catalogue.clauses()) {
            if (clause.side() == Side.DEVICE && (all || checkOf.containsKey(clause.id()))) {
                results.add(
                        DeviceNames.isOfOtherType(clause.id(), deviceType)
                                ? plain(clause, Verdict.NOT_APPLICABLE, "", "about another device type", 0)
                                : result(clause, checkOf.getOrDefault(clause.id(), ""), aborted));
            }
        }
        return results;
    }

    private ClauseResult result(Clause clause, String check, String aborted) {
        Entry entry = entries.get(clause.id());
        if (entry != null && entry.failure != null) {
            Findings.Failure failure = entry.failure;
            return new ClauseResult(
                    clause,
                    Verdict.FAIL,
                    entry.failedCheck,
                    failure.message(),
                    entry.where,
                    entry.runs + 1,
                    failure.trace());
        }
        if (entry != null && entry.runs > 0) {
            return plain(clause, Verdict.PASS, entry.check, "", entry.runs);
        }
        if (clause.status() == Status.NOT_OBSERVABLE) {
            return plain(clause, Verdict.NOT_OBSERVABLE, "", clause.why(), 0);
        }
        if (clause.status() == Status.NOT_APPLICABLE && offered.test(clause.when())) {
            return plain(
                    clause, Verdict.NOT_OBSERVABLE, "", "there is no check for a device that offers this feature", 0);
        }
        if (clause.status() == Status.NOT_APPLICABLE) {
            return plain(clause, Verdict.NOT_APPLICABLE, "", clause.why(), 0);
        }
        if (check.isEmpty()) {
            return plain(clause, Verdict.NOT_OBSERVABLE, "", "no check: " + unchecked(clause.id()), 0);
        }
        if (aborted != null) {
            return plain(clause, Verdict.NOT_RUN, check, aborted, 0);
        }
        if (clause.when().mentions("peer") && !peer) {
            return plain(clause, Verdict.NOT_OBSERVABLE, check, "needs the other end of the link: --net-peer", 0);
        }
        String needs = clause.when().toString();
        String reason = entry != null && !entry.note.isEmpty()
                ? entry.note
                : needs.isEmpty() ? "not with this device type" : "needs " + needs;
        return plain(clause, Verdict.NOT_APPLICABLE, check, reason, 0);
    }

    private static String unchecked(String id) {
        return ClauseCatalogue.unchecked().entrySet().stream()
                .filter(entry -> id.startsWith(entry.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("not among the chosen ones");
    }

    private static ClauseResult plain(Clause clause, Verdict verdict, String check, String detail, int runs) {
        return new ClauseResult(clause, verdict, check, detail, "", runs, List.of());
    }
}
