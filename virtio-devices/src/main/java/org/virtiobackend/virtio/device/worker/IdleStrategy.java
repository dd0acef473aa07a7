package org.virtiobackend.virtio.device.worker;

/**
 * How long a worker polls after its last work before it sleeps. The adaptive form follows how long the last sleeps were: a short
 * sleep would have been better spent polling, but not while processors are scarce. Belongs to one worker.
 */
final class IdleStrategy {
    /** Longest time the adaptive form polls, ns. */
    static final long ADAPTIVE_MAX_NANOS = 50_000;

    private static final long ADAPTIVE_STEP_NANOS = 5_000;

    private final boolean forever;
    private final boolean adaptive;
    private long spinNanos;
    private boolean crowded;

    private IdleStrategy(boolean forever, boolean adaptive, long spinNanos) {
        this.forever = forever;
        this.adaptive = adaptive;
        this.spinNanos = spinNanos;
    }

    /** @param pollMicros -1 never sleep, otherwise that long */
    static IdleStrategy fixed(long pollMicros) {
        return new IdleStrategy(pollMicros < 0, false, Math.max(0, pollMicros) * 1000);
    }

    static IdleStrategy adaptive() {
        return new IdleStrategy(false, true, ADAPTIVE_STEP_NANOS);
    }

    boolean isAdaptive() {
        return adaptive;
    }

    /** Whether another thread may serve the queues while the worker sleeps: not when it was told to poll. */
    boolean mayLend() {
        return adaptive || !forever && spinNanos == 0;
    }

    boolean spinsForever() {
        return forever;
    }

    long spinNanos() {
        return crowded ? 0 : spinNanos;
    }

    /** For how long the adaptive form polls when that is sure to pay, ns. */
    long mostNanos() {
        return crowded ? 0 : ADAPTIVE_MAX_NANOS;
    }

    /** Says whether other threads want the processors: then one that polls is in their way. */
    void setCrowded(boolean now) {
        crowded = now && adaptive;
    }

    /** The worker slept this long. */
    void slept(long nanos) {
        if (!adaptive) {
            return;
        }
        if (nanos < ADAPTIVE_MAX_NANOS) {
            spinNanos = Math.min(ADAPTIVE_MAX_NANOS, Math.max(ADAPTIVE_STEP_NANOS, spinNanos * 2));
        } else {
            spinNanos /= 2;
            if (spinNanos < ADAPTIVE_STEP_NANOS / 4) {
                spinNanos = 0;
            }
        }
    }
}
