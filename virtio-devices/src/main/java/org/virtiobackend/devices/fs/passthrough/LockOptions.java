package org.virtiobackend.devices.fs.passthrough;

import java.time.Duration;

/**
 * How locks of the driver are served. Linux's virtiofs cannot interrupt a request, so a process that waits can neither be killed
 * nor have a signal handled; a wait that only a signal would end has to end by itself.
 *
 * @param served they hold against the host's processes; otherwise the driver keeps them to itself
 * @param longestRangeWait after which waiting for a byte range ends with ENOLCK; zero: never
 * @param longestWholeWait the same for a flock lock
 */
public record LockOptions(boolean served, Duration longestRangeWait, Duration longestWholeWait) {
    /** Below the two minutes after which Linux complains of a process that nothing can end. */
    public static final int RANGE_SECONDS = 60;

    public static final int WHOLE_SECONDS = 3600;

    public static LockOptions defaults() {
        return new LockOptions(true, Duration.ofSeconds(RANGE_SECONDS), Duration.ofSeconds(WHOLE_SECONDS));
    }

    Duration longestWait(boolean whole) {
        return whole ? longestWholeWait : longestRangeWait;
    }
}
