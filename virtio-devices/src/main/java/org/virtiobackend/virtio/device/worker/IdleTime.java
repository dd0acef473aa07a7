package org.virtiobackend.virtio.device.worker;

/**
 * How long a worker has had nothing to do, over sleeps that ended without work. One that had work lately may doze: it looks at its queues
 * soon in any case, so that who serves them meanwhile may leave something for later. Belongs to whose turn it is.
 */
final class IdleTime {
    /** How long it dozes at a time, and after how much idle time it sleeps. */
    static final long DOZE_NANOS = 500_000;

    private long since;
    private long last = Long.MAX_VALUE;
    private boolean dozing;
    /** The sleep before has ended without work. */
    private boolean goesOn;

    /**
     * A sleep begins.
     *
     * @param limit the most that it may last, ns
     * @param mayDoze whether anything might be left for later
     * @return how long it may be
     */
    long begin(long limit, boolean mayDoze) {
        if (!goesOn) {
            restart();
        }
        dozing = mayDoze && last < DOZE_NANOS;
        return dozing ? Math.min(limit, DOZE_NANOS) : limit;
    }

    boolean isDozing() {
        return dozing;
    }

    /** There was work, from now on there is none. */
    void restart() {
        since = System.nanoTime();
    }

    /** There is work; returns how long there was none, ns. */
    long ended() {
        goesOn = false;
        last = System.nanoTime() - since;
        return last;
    }

    /** There is work, but not because of a driver. */
    void endedOtherwise() {
        goesOn = false;
    }

    /** The sleep has ended without anything that would have ended it. */
    void goesOn() {
        goesOn = true;
        last = System.nanoTime() - since;
    }
}
