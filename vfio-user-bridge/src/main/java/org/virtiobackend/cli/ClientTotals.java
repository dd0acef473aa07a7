package org.virtiobackend.cli;

import org.virtiobackend.virtio.device.worker.QueueStatistics;

/** Counters of many clients in one. Not thread-safe. */
final class ClientTotals {
    private long clients;
    private long errors;
    private long requests;
    private long bytesRead;
    private long bytesWritten;
    private long notifications;
    private long kicks;
    private long dmaFaults;

    /** Adds what a client has counted so far. */
    void add(ClientTable.Entry entry) {
        clients++;
        errors += entry.client().errors();
        dmaFaults += entry.function().dmaFaults();
        for (QueueStatistics queue : entry.function().statistics()) {
            requests += queue.requests();
            bytesRead += queue.bytesRead();
            bytesWritten += queue.bytesWritten();
            notifications += queue.notifications();
            kicks += queue.kicks();
        }
    }

    /** Adds all that others count. */
    void add(ClientTotals other) {
        clients += other.clients;
        errors += other.errors;
        requests += other.requests;
        bytesRead += other.bytesRead;
        bytesWritten += other.bytesWritten;
        notifications += other.notifications;
        kicks += other.kicks;
        dmaFaults += other.dmaFaults;
    }

    long clients() {
        return clients;
    }

    long errors() {
        return errors;
    }

    long requests() {
        return requests;
    }

    long bytesRead() {
        return bytesRead;
    }

    long bytesWritten() {
        return bytesWritten;
    }

    long notifications() {
        return notifications;
    }

    long kicks() {
        return kicks;
    }

    long dmaFaults() {
        return dmaFaults;
    }
}
