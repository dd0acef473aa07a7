package org.virtiobackend.virtio.queue;

import java.util.concurrent.atomic.AtomicReference;

/** Chains finished by other threads, on their way to the ring: many push, one takes all. Allocates nothing. */
public final class CompletedChains {
    private final AtomicReference<DescriptorChain> top = new AtomicReference<>();

    /** Any thread. */
    public void push(DescriptorChain chain) {
        DescriptorChain old;
        do {
            old = top.get();
            chain.setNextCompleted(old);
        } while (!top.compareAndSet(old, chain));
    }

    public boolean isEmpty() {
        return top.get() == null;
    }

    /** Takes everything, oldest first; walk it with {@link #next}. Whose turn it is. */
    public DescriptorChain takeAll() {
        DescriptorChain chain = top.getAndSet(null);
        DescriptorChain oldestFirst = null;
        while (chain != null) {
            DescriptorChain next = chain.nextCompleted();
            chain.setNextCompleted(oldestFirst);
            oldestFirst = chain;
            chain = next;
        }
        return oldestFirst;
    }

    /** The chain after this one; also unlinks it. */
    public static DescriptorChain next(DescriptorChain chain) {
        DescriptorChain next = chain.nextCompleted();
        chain.setNextCompleted(null);
        return next;
    }
}
