package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;

/** Holds the connection of a run: one at a time, renewed when a check left it in doubt, cut when a check takes too long. */
final class Station implements AutoCloseable {
    private static final int LIMIT_FACTOR = 8;

    private final Target target;
    private final Trace trace;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread thread = new Thread(task, "conformance-limit");
        thread.setDaemon(true);
        return thread;
    });
    private Link link;
    private MemoryKind memory;

    Station(Target target, Trace trace) {
        this.target = target;
        this.trace = trace;
    }

    /** A connection for this kind of memory, an old one if possible. */
    Link link(MemoryKind wanted) throws IOException {
        if (link == null || memory != wanted || link.isSpoiled()) {
            drop();
            link = Link.open(target, wanted, trace);
            memory = wanted;
        }
        return link;
    }

    /** A connection whose device was just reset; a new one when the old one does not manage that. */
    Link ready(MemoryKind wanted) throws IOException {
        try {
            Link old = link(wanted);
            old.prepare();
            return old;
        } catch (IOException e) {
            trace.add("reconnect: " + e.getMessage());
            drop();
        }
        Link fresh = link(wanted);
        fresh.prepare();
        return fresh;
    }

    /** Ends the connection, if there is one. */
    void drop() {
        if (link != null) {
            link.free();
            link = null;
        }
    }

    /** Cuts the present connection after a while unless the result is cancelled. */
    ScheduledFuture<?> limit() {
        Link present = link;
        long millis = LIMIT_FACTOR * target.timeoutMillis();
        return clock.schedule(
                () -> {
                    trace.add("the check takes longer than " + millis + " ms: connection cut");
                    present.close();
                },
                millis,
                TimeUnit.MILLISECONDS);
    }

    @Override
    public void close() {
        clock.shutdownNow();
        drop();
    }
}
