package org.virtiobackend.virtio.device.worker;

/**
 * What control asks of one queue, and how far its worker has got with it: to let go of all memory and look at the mappings again, to
 * pause, to end. Control writes one half of the fields, the worker the other.
 */
final class QueueRequests {
    private Worker worker;

    /** Counts what control wants: each request makes the queue let go of all memory and look at the mappings again. */
    private volatile int request;
    /** Serve nothing after the present request is met. */
    private volatile boolean paused;
    /** End instead of going on. */
    private volatile boolean stopping;

    /** The last request that was looked at, met or not; the worker's alone. */
    private int seen;
    /** The ring is nowhere since the last request was met; written by the worker before {@link #answered}. */
    private volatile boolean detached;
    /** The last request that was met; written by the worker. */
    private volatile int answered;

    private volatile boolean stopped;

    void bind(Worker newWorker) {
        worker = newWorker;
    }

    // ---- control

    /** Asks the queue to let go of memory and then to go on, or to serve nothing; {@link #isQuiet} tells when it has. */
    void quiet(boolean pause) {
        paused = pause;
        ask();
    }

    /** How a queue starts that nobody runs yet. */
    void startPaused(boolean pause) {
        paused = pause;
    }

    /** Asks the queue to end once its chains are back. */
    void stop() {
        stopping = true;
        ask();
    }

    private void ask() {
        request++;
        worker.wake();
    }

    boolean isQuiet() {
        return stopped || answered == request;
    }

    boolean isStopped() {
        return stopped;
    }

    /** Whether memory that was just mapped may be what the queue lacks, or it is looking for it right now. */
    boolean mayMissMemory() {
        return !isQuiet() || detached && !stopped;
    }

    // ---- any thread

    /** Nothing is asked for, and the queue is to be served. */
    boolean allowServing() {
        return request == answered && !paused && !stopped;
    }

    // ---- the worker

    int newest() {
        return request;
    }

    boolean areMetUpTo(int wanted) {
        return wanted == answered;
    }

    /** While chains are out a request is looked at once; their return is what to look at next. */
    boolean areDue(boolean chainsOut) {
        int wanted = request;
        return wanted != answered && !(chainsOut && wanted == seen);
    }

    void look(int wanted) {
        seen = wanted;
    }

    boolean isToStop() {
        return stopping;
    }

    void stopped() {
        stopped = true;
    }

    void reattached(boolean isThere) {
        detached = !isThere;
    }

    void met(int wanted) {
        answered = wanted;
    }
}
