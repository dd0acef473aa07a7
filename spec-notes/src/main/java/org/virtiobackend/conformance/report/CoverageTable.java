package org.virtiobackend.conformance.report;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.conformance.clause.Clause;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.clause.Side;
import org.virtiobackend.conformance.clause.Status;

/** Which clauses about devices the runner decides, and why it does not decide the others: {@code coverage.md}. */
public final class CoverageTable {
    private static final int COLUMNS = 5;

    private CoverageTable() {}

    /** The whole file. */
    public static String markdown(ClauseCatalogue catalogue) {
        List<Clause> clauses = catalogue.clauses().stream()
                .filter(clause -> clause.side() == Side.DEVICE)
                .toList();
        StringBuilder text = new StringBuilder();
        text.append("# What the conformance runner covers\n\n");
        text.append("Generated from the clause catalogue; a test compares. Write it again with\n");
        text.append("`mvn -pl spec-notes -am test -Dtest=CoverageTest -Dsurefire.failIfNoSpecifiedTests=false"
                + " -Dcoverage.write=true`.\n\n");
        text.append("Clauses about devices. MUST counts MUST and MUST NOT; *reasoned* ones cannot be observed or do not"
                + " apply, each with\nits reason below; *open* ones have no check yet.\n\n");
        summary(clauses, text);
        Map<String, StringBuilder> chapters = new LinkedHashMap<>();
        for (Clause clause : clauses) {
            row(clause, chapters.computeIfAbsent(clause.chapter(), CoverageTable::heading));
        }
        chapters.values().forEach(text::append);
        return text.toString();
    }

    private static StringBuilder heading(String chapter) {
        return new StringBuilder("\n## ")
                .append(chapter)
                .append("\n\n| clause | keyword | what it asks for | decided by, or why not |\n|---|---|---|---|\n");
    }

    private static void row(Clause clause, StringBuilder text) {
        String condition = clause.when().toString().isEmpty() ? "" : " (" + clause.when() + ")";
        text.append("| ")
                .append(clause.id())
                .append(" | ")
                .append(clause.keyword().text())
                .append(" | ")
                .append(cell(clause.summary() + condition))
                .append(" | ")
                .append(cell(answer(clause)))
                .append(" |\n");
    }

    private static String answer(Clause clause) {
        if (clause.status() != Status.CHECK) {
            return clause.status().text() + ": " + clause.why();
        }
        return clause.check().isEmpty()
                ? "open: " + reason(clause.id())
                : "`" + clause.check().replace(" ", "` `") + "`";
    }

    private static String reason(String id) {
        return ClauseCatalogue.unchecked().entrySet().stream()
                .filter(entry -> id.startsWith(entry.getKey()))
                .map(Map.Entry::getValue)
                .findFirst()
                .orElse("no reason given");
    }

    private static String cell(String text) {
        return text.replace("|", "\\|");
    }

    private static void summary(List<Clause> clauses, StringBuilder text) {
        Map<String, int[]> counts = new LinkedHashMap<>();
        for (Clause clause : clauses) {
            int[] count = counts.computeIfAbsent(clause.chapter(), key -> new int[COLUMNS]);
            count[0]++;
            boolean checked = !clause.check().isEmpty();
            boolean open = clause.status() == Status.CHECK && !checked;
            if (clause.keyword().isMandatory()) {
                count[1]++;
                count[2] += checked ? 1 : 0;
                count[3] += open ? 0 : checked ? 0 : 1;
                count[4] += open ? 1 : 0;
            }
        }
        text.append("| chapter | clauses | MUST | checked | reasoned | open |\n|---|---:|---:|---:|---:|---:|\n");
        int[] all = new int[COLUMNS];
        counts.forEach((chapter, count) -> {
            line(chapter, count, text);
            for (int i = 0; i < COLUMNS; i++) {
                all[i] += count[i];
            }
        });
        line("**all**", all, text);
    }

    private static void line(String chapter, int[] count, StringBuilder text) {
        text.append("| ").append(chapter);
        for (int i = 0; i < COLUMNS; i++) {
            text.append(" | ").append(count[i]);
        }
        text.append(" |\n");
    }
}
