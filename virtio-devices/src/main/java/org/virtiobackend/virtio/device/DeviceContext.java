package org.virtiobackend.virtio.device;

/** What an active device is given: its negotiated features, its queues, and a way to fail. */
public interface DeviceContext {
    /** All accepted feature bits. */
    long features();

    /** Number of queues of the device, enabled or not. */
    int queueCount();

    /** Whether the driver enabled this queue before DRIVER_OK. */
    boolean isEnabled(int queue);

    /** Entries of a queue as the driver set it up. */
    int queueSize(int queue);

    /**
     * Lets {@code handler} serve an enabled queue from now on, on one worker.
     *
     * @param wakeOn descriptors whose readiness also wakes the handler, once it has armed them
     */
    void attach(int queue, QueueHandler handler, WakeUp... wakeOn);

    /** Makes the handler of a queue run soon, as a driver's notification does; from any thread. */
    void wake(int queue);

    /**
     * Says how used buffer notifications of a queue are held back from now on; from any worker.
     *
     * @param lasting also after the queue was reset; otherwise what lasts comes back then
     */
    void coalesce(int queue, Coalescing coalescing, boolean lasting);

    /** How notifications of a queue are held back now. */
    Coalescing coalescing(int queue);

    /**
     * Runs {@code action} when each queue of the device has finished what its worker was doing when this was called, and shown it to
     * the driver; on some worker, perhaps after this returns. Does not wait.
     */
    void afterPresentWork(Runnable action);

    /** Stops the device with DEVICE_NEEDS_RESET; from any thread. */
    void fail(Throwable cause);
}
