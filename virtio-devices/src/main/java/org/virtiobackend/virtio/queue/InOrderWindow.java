package org.virtiobackend.virtio.queue;

/**
 * Chains between poll and return, oldest first: lets a queue return them in the order of their availability although they are
 * finished in any order (VIRTIO_F_IN_ORDER, virtio 1.4 2.7.9). One per queue; allocates nothing after construction.
 */
final class InOrderWindow {
    private final DescriptorChain[] chains;
    private int first;
    private int count;

    /** @param size entries of the queue, which is the most that can be out */
    InOrderWindow(int size) {
        chains = new DescriptorChain[size];
    }

    void polled(DescriptorChain chain) {
        chains[at(count)] = chain;
        count++;
    }

    /** Forgets the chain that was polled last. */
    void unpolled() {
        count--;
        chains[at(count)] = null;
    }

    /** Takes out the oldest chain if it is finished; null when the next one in turn is still in work, or nothing is out. */
    DescriptorChain takeFinished() {
        DescriptorChain chain = chains[first];
        if (count == 0 || !chain.isFinished()) {
            return null;
        }
        chains[first] = null;
        first = at(1);
        count--;
        return chain;
    }

    private int at(int distance) {
        int index = first + distance;
        return index < chains.length ? index : index - chains.length;
    }
}
