package org.virtiobackend.virtio.device.worker;

/**
 * What control asks of one queue, and how far its worker has got with it: to let go of all memory and look at the mappings again, to
 * pause, to end. Control writes one half of the fields, the worker the other.
 */
final class QueueRequests {
    private Worker worker;

    /** Counts what control wants: each request makes the queue let go of all memory and look at the mappings again. */
    private volatile int request;
    /** See {@link #hurry}. */
    private volatile int hurried;
    /** Serve nothing after the present request is met. */
    private volatile boolean paused;
    /** End instead of going on. */
    private volatile boolean stopping;
    /** Memory that could not be reached may be reached now. */
    private volatile boolean memoryBack;

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

    /** Asks the queue to let go of memory and to serve nothing; {@link #isQuiet} tells when it has. */
    void quiet() {
        paused = true;
        ask();
    }

    /** Ends what {@link #quiet} began. */
    void goOn() {
        paused = false;
        memoryBack();
    }

    /** How a queue starts that nobody runs yet. */
    void startPaused(boolean pause) {
        paused = pause;
    }

    /** Asks the queue to look for memory that it lacks; waits for nothing. */
    void lookAgain() {
        memoryBack = true;
        ask();
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

    /** Control does nothing else before the request is met, nor does perhaps the client. */
    void hurry() {
        if (request != answered) {
            hurried = request;
            worker.wakeFromWait();
        }
    }

    boolean isQuiet() {
        return stopped || answered == request;
    }

    boolean isStopped() {
        return stopped;
    }

    /**
     * Whether memory that was just mapped may be what the queue lacks, or it is looking for it right now.
     *
     * @param keeping whether finished chains wait for theirs
     */
    boolean mayMissMemory(boolean keeping) {
        return !isQuiet() || (detached || keeping) && !stopped;
    }

    // ---- any thread

    /** Nobody is waited for any more, so memory behind messages can be reached again. */
    void memoryBack() {
        memoryBack = true;
        worker.wake();
    }

    /** Nothing is asked for, and the queue is to be served. */
    boolean allowServing() {
        return request == answered && !paused && !stopped;
    }

    boolean areUrgent() {
        return hurried - answered > 0;
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

    boolean isMemoryBack() {
        return memoryBack;
    }

    /** Whether kept chains are to be tried once more; once for each time that it was said. */
    boolean takeMemoryBack() {
        if (!memoryBack) {
            return false;
        }
        memoryBack = false;
        return true;
    }

    /** It may have come before control could see that it is missed. */
    void tryMemoryOnceMore() {
        memoryBack = true;
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
