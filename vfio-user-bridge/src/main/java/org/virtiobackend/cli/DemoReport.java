package org.virtiobackend.cli;

import java.io.PrintStream;

/** What the demo tells: facts, and checks that can fail. Colour on a terminal only. */
final class DemoReport {
    private final PrintStream out;
    private final boolean colour;
    private int failures;

    DemoReport(PrintStream out, boolean colour) {
        this.out = out;
        this.colour = colour;
    }

    void title(String text) {
        out.println(text);
        out.println();
    }

    void fact(String name, String text) {
        out.println("      " + name + " ".repeat(Math.max(1, 10 - name.length())) + text);
    }

    /** One check, passed or not. */
    void check(boolean passed, String text) {
        if (!passed) {
            failures++;
        }
        String word = passed ? "  ok  " : "FAIL  ";
        out.println((colour ? (passed ? "\033[32m" : "\033[31m") + word + "\033[0m" : word) + text);
    }

    /** The last line; true when everything passed. */
    boolean end() {
        out.println();
        out.println(failures == 0 ? "demo passed" : "demo FAILED: " + failures + " checks");
        return failures == 0;
    }
}
