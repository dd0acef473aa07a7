package org.virtiobackend.conformance.report;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Verdict;

/** The result as one page that needs nothing else: a table of clauses to filter, failures with their traces. */
public final class HtmlReport {
    private static final String TEMPLATE = "/org/virtiobackend/conformance/report.html";

    private HtmlReport() {}

    public static void write(RunResult result, Path file) throws IOException {
        Files.writeString(file, page(result));
    }

    static String page(RunResult result) throws IOException {
        StringBuilder rows = new StringBuilder();
        String chapter = "";
        for (ClauseResult clause : result.clauses()) {
            if (!clause.clause().chapter().equals(chapter)) {
                chapter = clause.clause().chapter();
                rows.append("<tr class=chapter><th colspan=5>")
                        .append(escape(chapter))
                        .append("</th></tr>\n");
            }
            row(clause, rows);
        }
        return template()
                .replace("@DEVICE@", escape(result.device()))
                .replace("@FACTS@", facts(result))
                .replace("@COUNTS@", counts(result))
                .replace("@ROWS@", rows);
    }

    private static String template() throws IOException {
        try (InputStream in = HtmlReport.class.getResourceAsStream(TEMPLATE)) {
            if (in == null) {
                throw new IOException("not in the program: " + TEMPLATE);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static String facts(RunResult result) {
        String memory =
                String.join(", ", result.memory().stream().map(m -> m.text()).toList());
        return escape(result.socketPath() + " | offers " + result.offered() + " | memory " + memory + " | "
                + result.featureSets() + " sets of features, seed " + result.seed() + " | " + result.checkRuns()
                + " check runs in " + result.millis() + " ms");
    }

    private static String counts(RunResult result) {
        StringBuilder text = new StringBuilder();
        count(text, "pass", result.count(Verdict.PASS), "pass");
        count(text, "fail", result.faults().size(), "fail");
        count(text, "weak", result.weaknesses().size(), "SHOULD not met");
        count(text, "na", result.count(Verdict.NOT_APPLICABLE), "not applicable");
        count(text, "no", result.count(Verdict.NOT_OBSERVABLE), "not observable");
        count(text, "open", result.count(Verdict.NOT_RUN), "not run");
        return text.toString();
    }

    private static void count(StringBuilder text, String style, long count, String name) {
        text.append("<button class=")
                .append(style)
                .append(" data-show=")
                .append(style)
                .append('>')
                .append(count)
                .append(' ')
                .append(name)
                .append("</button>\n");
    }

    private static void row(ClauseResult result, StringBuilder rows) {
        rows.append("<tr class=")
                .append(style(result))
                .append("><td>")
                .append(escape(result.clause().id()))
                .append("</td><td>")
                .append(escape(result.clause().section()))
                .append("</td><td>")
                .append(result.clause().keyword().text())
                .append("</td><td>")
                .append(escape(result.clause().summary()));
        if (!result.detail().isEmpty()) {
            rows.append("<div class=detail>").append(escape(result.detail())).append("</div>");
        }
        if (!result.trace().isEmpty()) {
            rows.append("<details><summary>")
                    .append(escape(result.where()))
                    .append("</summary><pre>")
                    .append(escape(String.join("\n", result.trace())))
                    .append("</pre></details>");
        }
        String verdict = result.isWeakness() ? "not met" : result.verdict().text();
        rows.append("</td><td>")
                .append(verdict)
                .append("<div class=detail>")
                .append(escape(result.check()))
                .append("</div></td></tr>\n");
    }

    private static String style(ClauseResult result) {
        return switch (result.verdict()) {
            case PASS -> "pass";
            case FAIL -> result.isFault() ? "fail" : "weak";
            case NOT_APPLICABLE -> "na";
            case NOT_OBSERVABLE -> "no";
            case NOT_RUN -> "open";
        };
    }

    static String escape(String text) {
        return JUnitReport.clean(text)
                .replace("&", "&amp;")
                .replace("<", "&lt;")
                .replace(">", "&gt;")
                .replace("\"", "&quot;")
                .replace("@", "&#64;");
    }
}
