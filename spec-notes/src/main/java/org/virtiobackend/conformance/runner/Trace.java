package org.virtiobackend.conformance.runner;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/** What happened lately, for whoever has to understand a failure. Any thread; keeps the last {@value #LINES} lines. */
public final class Trace {
    private static final int LINES = 200;
    private static final int LINE_LIMIT = 400;

    private final Deque<String> lines = new ArrayDeque<>();
    private long startNanos = System.nanoTime();
    private String last = "";
    private int repeated;

    /** Forgets everything. */
    public synchronized void clear() {
        lines.clear();
        last = "";
        repeated = 0;
        startNanos = System.nanoTime();
    }

    /** Adds a line; a repetition of the last one is only counted. */
    public synchronized void add(String text) {
        String line = text.length() > LINE_LIMIT ? text.substring(0, LINE_LIMIT) + " ..." : text;
        if (line.equals(last)) {
            repeated++;
            return;
        }
        endRepetition();
        last = line;
        put((System.nanoTime() - startNanos) / 1000 + " us  " + line);
    }

    private void endRepetition() {
        if (repeated > 0) {
            put("        (" + repeated + " times more)");
            repeated = 0;
        }
    }

    private void put(String line) {
        if (lines.size() == LINES) {
            lines.removeFirst();
        }
        lines.addLast(line);
    }

    /** The lines, oldest first. */
    public synchronized List<String> lines() {
        endRepetition();
        last = "";
        return new ArrayList<>(lines);
    }
}
