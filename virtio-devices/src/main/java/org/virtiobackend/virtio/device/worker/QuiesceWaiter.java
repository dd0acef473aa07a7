package org.virtiobackend.virtio.device.worker;

import java.util.function.BooleanSupplier;

/**
 * Waiting that keeps the way to the client open. With message-mode DMA a worker may need an answer that only the waiting control
 * thread can receive.
 */
@FunctionalInterface
public interface QuiesceWaiter {
    /** Returns when {@code done} is true, or after a time limit; the caller checks again. */
    void await(BooleanSupplier done);
}
