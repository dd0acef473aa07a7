package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.WakeUp;

/**
 * A queue in the hands of the command thread, which serves it in place of a worker that sleeps: one change of threads
 * less for a lone request.
 *
 * <p>Belongs to that thread. Decision 0015.
 */
final class LentQueue implements Runnable {
    /** Chains taken in one go: this thread has something else to do. */
    private static final int BUDGET = 4;

    private static final int ROUNDS = 4;
    /** A turn that takes longer has waited, and not just for a processor: the worker is the one to wait, for some time. */
    private static final long SLOW_NANOS = 4_000_000;

    private static final long SLOW_PAUSE_NANOS = 100_000_000;

    private final QueueTask task;
    private final DeviceRuntime runtime;

    /** When the queue may be lent again. */
    private long lendAfter = System.nanoTime();

    LentQueue(QueueTask task, DeviceRuntime runtime) {
        this.task = task;
        this.runtime = runtime;
    }

    boolean mayBegin() {
        return System.nanoTime() - lendAfter >= 0;
    }

    /** A turn with the queue, once the client has its answer. */
    @Override
    public void run() {
        Worker worker = task.worker();
        try {
            if (!task.isServing() || !worker.borrow()) {
                worker.wakeFromSleep();
                return;
            }
            boolean more = true;
            try {
                more = task.isRemote() || serve();
            } finally {
                worker.giveBack(more);
            }
        } catch (InternalError e) {
            // Found late, but this thread touches no other client's memory.
            runtime.fail(e);
        }
    }

    /** True when the worker has to go on. */
    private boolean serve() {
        long start = System.nanoTime();
        boolean more = true;
        for (int round = 0; more && round < ROUNDS && task.maySpareWorker(); round++) {
            task.drainAndPublish(BUDGET);
            more = task.enableKicks();
        }
        long end = System.nanoTime();
        if (end - start > SLOW_NANOS) {
            lendAfter = end + SLOW_PAUSE_NANOS;
        }
        return more || WakeUp.isAnyArmed(task.wakeOn()); // of which the worker that sleeps may not know
    }
}
