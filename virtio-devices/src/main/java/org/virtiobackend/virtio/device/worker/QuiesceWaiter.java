package org.virtiobackend.virtio.device.worker;

import java.util.function.BooleanSupplier;

/**
 * Waiting of a control thread that workers may be waiting for: one that brings the answers to DMA messages sends them back first, so that
 * they get on with what control waits for.
 */
@FunctionalInterface
public interface QuiesceWaiter {
    /** Returns when {@code done} is true, or after a time limit; the caller checks again. */
    void await(BooleanSupplier done);
}
