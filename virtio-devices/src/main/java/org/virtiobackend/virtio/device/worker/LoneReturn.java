package org.virtiobackend.virtio.device.worker;

/**
 * The way back of a chain that another thread has finished: when it is the only one out, that thread gives it back in place of a worker
 * that sleeps, one change of threads less. Decision 0012.
 */
final class LoneReturn {
    private final QueueTask task;

    LoneReturn(QueueTask task) {
        this.task = task;
    }

    /**
     * Any thread, with the chain among the queue's completed ones; false when the worker has to be told of it.
     *
     * @throws InternalError memory is gone that this thread used before for something else; the worker gives the chain back
     */
    boolean attempt() {
        Worker worker = task.worker();
        // a notification that coalescing holds back needs somebody to wait for its time
        if (!worker.mayLend()
                || !task.mayReturnLone()
                || !task.isServing()
                || task.notification().coalescing().isOn()
                || !worker.borrowToReturn()) {
            return false;
        }
        boolean more = true;
        try {
            more = task.returnLone();
        } finally {
            worker.giveBack(more);
        }
        return true;
    }
}
