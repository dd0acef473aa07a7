package org.virtiobackend.virtio.device.worker;

/**
 * The thread that executes a client's commands, a driver's notifications among them. When the worker sleeps it may serve the queue
 * itself, which saves waking another thread.
 */
@FunctionalInterface
public interface CommandThread {
    /** Always lets the worker do it. */
    CommandThread NONE = work -> false;

    /**
     * Runs {@code work} right after the command under way has been answered. The work does not block and does not throw.
     *
     * @return false when the caller is not this thread, or it has such work already: nothing will run
     */
    boolean afterAnswer(Runnable work);

    /** Whether the client, and with it a processor of the guest, stands still until the command under way is answered. */
    default boolean isAwaited() {
        return false;
    }
}
