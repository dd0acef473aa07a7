package org.virtiobackend.cli;

import java.util.List;

/** Counters of a whole process. One thread. */
final class ServerCounters {
    private final List<Listener> listeners;
    private long maxMapped;

    ServerCounters(List<Listener> listeners) {
        this.listeners = listeners;
    }

    long dmaMessagesSent() {
        return listeners.stream()
                .mapToLong(listener -> listener.server().dmaMessagesSent())
                .sum();
    }

    /** The largest of all values given so far. */
    long maxMapped(long now) {
        maxMapped = Math.max(maxMapped, now);
        return maxMapped;
    }
}
