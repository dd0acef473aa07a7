package org.virtiobackend.conformance.report;

import java.io.PrintStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Verdict;

/** The result for a terminal or a pipe: a line per chapter, then every failure with the end of its trace. */
public final class TextReport {
    private static final int TRACE_LINES = 40;

    private final PrintStream out;
    private final boolean colour;
    private final boolean everyClause;

    /**
     * @param colour for a terminal
     * @param everyClause a line for each clause, not only for those that failed
     */
    public TextReport(PrintStream out, boolean colour, boolean everyClause) {
        this.out = out;
        this.colour = colour;
        this.everyClause = everyClause;
    }

    public void print(RunResult result) {
        out.println(result.device() + " at " + result.socketPath());
        out.println("offers " + result.offered());
        out.println("memory "
                + String.join(", ", result.memory().stream().map(m -> m.text()).toList()) + "; " + result.featureSets()
                + " sets of features, seed " + result.seed());
        result.remarks().forEach(remark -> out.println("not used: memory " + remark));
        out.println();
        chapters(result);
        if (everyClause) {
            out.println();
            result.clauses().forEach(this::line);
        }
        result.clauses().stream().filter(c -> c.verdict() == Verdict.FAIL).forEach(this::failure);
        out.println();
        summary(result);
    }

    private void chapters(RunResult result) {
        Map<String, int[]> counts = new LinkedHashMap<>();
        for (ClauseResult clause : result.clauses()) {
            counts.computeIfAbsent(clause.clause().chapter(), key -> new int[Verdict.values().length])[
                    clause.verdict().ordinal()]++;
        }
        out.printf(
                Locale.ROOT,
                "%-58s %6s %6s %15s %15s %8s%n",
                "",
                "pass",
                "fail",
                "not applicable",
                "not observable",
                "not run");
        counts.forEach((chapter, count) -> out.printf(
                Locale.ROOT,
                "%-58s %6d %6d %15d %15d %8d%n",
                chapter,
                count[0],
                count[1],
                count[2],
                count[3],
                count[4]));
    }

    private void line(ClauseResult result) {
        String verdict = result.isWeakness() ? "not met" : result.verdict().text();
        String detail = result.detail().isEmpty() ? result.clause().summary() : result.detail();
        out.printf(
                Locale.ROOT,
                "%-26s %-10s %-14s %s%n",
                result.clause().id(),
                result.clause().keyword().text(),
                verdict,
                detail);
    }

    private void failure(ClauseResult result) {
        String head = (result.isFault() ? "FAIL " : "not met ")
                + result.clause().id() + "  virtio 1.4 "
                + result.clause().section() + "  " + result.clause().keyword().text() + ": "
                + result.clause().summary();
        out.println();
        out.println(paint(result.isFault() ? 31 : 33, head));
        out.println("  " + result.detail());
        out.println("  check " + result.check() + (result.where().isEmpty() ? "" : " (" + result.where() + ")"));
        List<String> trace = result.trace();
        int from = Math.max(0, trace.size() - TRACE_LINES);
        if (from > 0) {
            out.println("    ... " + from + " lines before these");
        }
        trace.subList(from, trace.size()).forEach(line -> out.println("    " + line));
    }

    private void summary(RunResult result) {
        boolean good = result.faults().isEmpty() && result.isComplete();
        String text = String.format(
                Locale.ROOT,
                "%d clauses: %d pass, %d fail, %d SHOULD not met, %d not applicable, %d not observable%s; %d check runs"
                        + " in %.1f s",
                result.clauses().size(),
                result.count(Verdict.PASS),
                result.faults().size(),
                result.weaknesses().size(),
                result.count(Verdict.NOT_APPLICABLE),
                result.count(Verdict.NOT_OBSERVABLE),
                result.isComplete() ? "" : ", " + result.count(Verdict.NOT_RUN) + " not run",
                result.checkRuns(),
                result.millis() / 1000.0);
        out.println(paint(good ? 32 : 31, text));
        if (!result.isComplete()) {
            result.clauses().stream()
                    .filter(c -> c.verdict() == Verdict.NOT_RUN)
                    .findFirst()
                    .ifPresent(c -> out.println("not run: " + c.detail()));
        }
    }

    private String paint(int number, String text) {
        return colour ? "\u001b[" + number + "m" + text + "\u001b[0m" : text;
    }
}
