package org.virtiobackend.virtio.queue.driver;

/**
 * Tokens in the order in which their chains were made available, for a device that returns them in that order and may name only the
 * last of a batch (VIRTIO_F_IN_ORDER). Allocates nothing after construction.
 */
final class SubmissionOrder {
    private final int[] tokens;
    private int first;
    private int count;
    private int batch;

    /** @param size entries of the queue */
    SubmissionOrder(int size) {
        tokens = new int[size];
    }

    void add(int token) {
        tokens[at(count)] = token;
        count++;
    }

    /**
     * Takes the device's word that everything up to {@code last} is used; none of an earlier batch may be left.
     *
     * @param limit chains that can be in the batch
     * @throws IllegalStateException the device does not own that chain, or not among the first {@code limit}
     */
    void begin(long last, int limit) {
        int most = Math.min(count, limit);
        for (int i = 0; i < most; i++) {
            if (tokens[at(i)] == last) {
                batch = i + 1;
                return;
            }
        }
        throw new IllegalStateException("device returned buffer " + last + " out of order, or does not own it");
    }

    /** Chains of the batch that {@link #take} will still return. */
    int batch() {
        return batch;
    }

    /** The oldest token of the batch. */
    int take() {
        int token = tokens[first];
        first = at(1);
        count--;
        batch--;
        return token;
    }

    private int at(int distance) {
        int index = first + distance;
        return index < tokens.length ? index : index - tokens.length;
    }
}
