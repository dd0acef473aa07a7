package org.virtiobackend.virtio.queue;

/** Where a finished chain goes: straight to the ring in the turn that took it, or from another thread among those to be given back. */
public interface ChainCompletion {
    /** The handler has finished with the chain; any thread. */
    void completed(DescriptorChain chain);

    /** The chain will be completed after the handler has returned; on the worker. */
    void deferred(DescriptorChain chain);
}
