package org.virtiobackend.cli;

import org.virtiobackend.vfiouser.server.VfioUserServer;

/** Counters of a whole process. One thread. */
final class ServerCounters {
    private final VfioUserServer server;
    private long maxMapped;

    ServerCounters(VfioUserServer server) {
        this.server = server;
    }

    long dmaMessagesSent() {
        return server.dmaMessagesSent();
    }

    /** The largest of all values given so far. */
    long maxMapped(long now) {
        maxMapped = Math.max(maxMapped, now);
        return maxMapped;
    }
}
