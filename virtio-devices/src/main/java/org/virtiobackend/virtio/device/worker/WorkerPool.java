package org.virtiobackend.virtio.device.worker;

import java.util.ArrayList;
import java.util.List;
import org.virtiobackend.posix.ErrnoException;

/** The workers of a process, shared by all its devices: threads grow with cores, not with queues. */
public final class WorkerPool implements AutoCloseable {
    /** Poll time that adapts to the load. */
    public static final long ADAPTIVE = -2;
    /** Never sleep. */
    public static final long ALWAYS = -1;

    private final List<Worker> workers = new ArrayList<>();

    /**
     * Starts the threads.
     *
     * @param threads at least 1
     * @param pollMicros how long a worker polls before it sleeps: {@link #ADAPTIVE}, {@link #ALWAYS}, or microseconds
     */
    public WorkerPool(int threads, long pollMicros) throws ErrnoException {
        for (int i = 0; i < threads; i++) {
            IdleStrategy idle = pollMicros == ADAPTIVE ? IdleStrategy.adaptive() : IdleStrategy.fixed(pollMicros);
            Worker worker = new Worker("worker-" + i, idle);
            workers.add(worker);
            worker.start();
        }
    }

    public int size() {
        return workers.size();
    }

    /** The worker with the fewest queues, booked for one more. */
    synchronized Worker leastLoaded() {
        Worker least = workers.get(0);
        for (Worker worker : workers) {
            if (worker.load() < least.load()) {
                least = worker;
            }
        }
        least.expect();
        return least;
    }

    /** Stops the threads; every device must have stopped before. */
    @Override
    public void close() {
        workers.forEach(Worker::close);
        workers.clear();
    }
}
