package org.virtiobackend.virtio.queue;

/** Where a finished chain goes: straight to the ring on the owning worker, or into its mailbox from another thread. */
public interface ChainCompletion {
    /** The handler has finished with the chain; any thread. */
    void completed(DescriptorChain chain);

    /** The chain will be completed after the handler has returned; on the worker. */
    void deferred(DescriptorChain chain);
}
