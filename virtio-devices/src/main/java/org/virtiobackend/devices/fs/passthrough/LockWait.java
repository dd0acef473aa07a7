package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseRequest;

/** A request that waits for a lock. */
public interface LockWait {
    /** The request's fixed part; it stays until the answer. */
    FuseRequest request();

    /** How many requests may wait at a time: the queue must not be full of them, or nothing else would get through. */
    int most();

    /**
     * The wait is over; called once, from any thread.
     *
     * @param error 0, or a negative error number
     */
    void answer(int error);
}
