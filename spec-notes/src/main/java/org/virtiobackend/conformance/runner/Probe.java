package org.virtiobackend.conformance.runner;

import java.io.IOException;

/**
 * Knows one device type well enough to put harmless requests on one of its queues, with answers that can be judged: what
 * the checks of rings and transport live on.
 */
public interface Probe {
    /**
     * A request.
     *
     * @param out what the device reads
     * @param in room for what it writes, in bytes
     * @param head how many bytes at the start of what it reads stand, by convention, in a descriptor of their own
     * @param tail the same for the end of what it writes
     */
    record Request(byte[] out, int in, int head, int tail, Answer answer) {
        /** One readable descriptor by convention. */
        public Request(byte[] out, int in, int tail, Answer answer) {
            this(out, in, 0, tail, answer);
        }

        /** One writable descriptor by convention as well. */
        public Request(byte[] out, int in, Answer answer) {
            this(out, in, 0, answer);
        }

        /** Descriptors of the conventional form. */
        public int descriptors() {
            return 2 + (head > 0 && head < out.length ? 1 : 0) + (tail > 0 && tail < in ? 1 : 0);
        }
    }

    /** Judges an answer. */
    @FunctionalInterface
    interface Answer {
        /**
         * What is wrong with it, or null.
         *
         * @param in the device-writable part
         * @param used length that the device gave; -1 when it gave none
         */
        String problem(byte[] in, long used);
    }

    /** Features of the type without which there are no requests. */
    default long required() {
        return 0;
    }

    /** Features of the type that may be negotiated or not without changing the requests. */
    long choosable();

    /** The queue that takes the requests with the features of the bench. */
    int queue(Bench bench) throws IOException;

    /** A request; different numbers give different ones. All of them have something to read and something to write. */
    Request request(Bench bench, int number) throws IOException;

    /** Whether a byte of the device configuration stays as it is when nothing happens but negotiation. */
    default boolean isStable(int configOffset) {
        return true;
    }
}
