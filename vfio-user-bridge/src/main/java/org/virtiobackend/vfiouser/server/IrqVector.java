package org.virtiobackend.vfiouser.server;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.virtiobackend.posix.EventFd;

/** One interrupt vector and the eventfd that a client has connected to it. {@link #fire} from any thread, the rest by control. */
final class IrqVector {
    private final AtomicReference<CountedEventFd> target = new AtomicReference<>();
    /** Replaced while somebody was signalling them. */
    private final Queue<CountedEventFd> retired = new ConcurrentLinkedQueue<>();

    private final AtomicBoolean pending = new AtomicBoolean();
    private volatile boolean masked;

    /** Connects another eventfd, taken over, or none with null. */
    void connect(EventFd eventFd) {
        CountedEventFd old = target.getAndSet(eventFd == null ? null : new CountedEventFd(eventFd));
        if (old != null) {
            old.release();
            if (old.isHeld()) {
                retired.add(old);
            }
        }
    }

    /** See {@link CountedEventFd#freeStuck}; one watching thread. */
    boolean freeStuck() {
        CountedEventFd now = target.get();
        boolean stuck = now != null && now.freeStuck(1);
        if (!retired.isEmpty()) {
            retired.removeIf(old -> !old.isHeld());
            for (CountedEventFd old : retired) {
                stuck |= old.freeStuck(0);
            }
        }
        return stuck;
    }

    /** Signals the client, or remembers to when the vector is masked; false when nobody is connected. */
    boolean fire() {
        if (masked) {
            pending.set(true);
            // Unmasked in between: one of the two takes the pending interrupt.
            if (masked || !pending.getAndSet(false)) {
                return true;
            }
        }
        return signal();
    }

    void mask() {
        masked = true;
    }

    void unmask() {
        masked = false;
        if (pending.getAndSet(false)) {
            signal();
        }
    }

    /** Back to how it was before any client: not connected, not masked, nothing pending. */
    void disable() {
        connect(null);
        masked = false;
        pending.set(false);
    }

    private boolean signal() {
        CountedEventFd now = target.get();
        while (now != null) {
            if (now.signal()) {
                return true;
            }
            // Retired means replaced: look again.
            now = target.get();
        }
        return false;
    }
}
