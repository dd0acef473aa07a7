package org.virtiobackend.vfiouser.server;

/**
 * How long a session waits for its client.
 *
 * @param sendMillis a client that does not take its replies for so long is lost
 * @param dmaMillis workers wait for the client's memory no longer than this in one access
 */
record SessionTimes(long sendMillis, long dmaMillis) {
    /** QEMU gives up on us after 5 s. */
    static final SessionTimes DEFAULT = new SessionTimes(5_000, 5_000);
}
