package org.virtiobackend.vfiouser.server;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;

/**
 * The INTx pin. A signal masks it, as the client knows (AUTOMASKED); unmasking signals again when the pin is still asserted, so a
 * level is never lost. {@link #fire} from any thread, the rest by control.
 */
final class IntxLine {
    private final IrqVector vector = new IrqVector();
    private final AtomicBoolean masked = new AtomicBoolean();
    private final BooleanSupplier asserted;
    private EventFd unmaskTrigger;

    /** @param asserted the pin now */
    IntxLine(BooleanSupplier asserted) {
        this.asserted = asserted;
    }

    /** The pin became asserted. */
    void fire() {
        if (masked.compareAndSet(false, true)) {
            vector.fire();
        }
    }

    /** Signals whatever the pin does: a client's loopback test. */
    void trigger() {
        vector.fire();
    }

    void mask() {
        masked.set(true);
    }

    void unmask() {
        masked.set(false);
        if (asserted.getAsBoolean()) {
            fire();
        }
    }

    /** Connects another eventfd, taken over, or none with null; a pin that is already asserted is signalled. */
    void connect(EventFd eventFd) {
        vector.connect(eventFd);
        if (eventFd != null) {
            unmask();
        }
    }

    /** What the client signals in place of a message to unmask; taken over, null for none. */
    void connectUnmask(EventFd eventFd) {
        if (unmaskTrigger != null) {
            unmaskTrigger.close();
        }
        unmaskTrigger = eventFd;
    }

    /** What to watch, or null. */
    Fd unmaskFd() {
        return unmaskTrigger == null ? null : unmaskTrigger.fd();
    }

    /** Takes the signal on {@link #unmaskFd}. */
    void takeUnmask() {
        if (unmaskTrigger != null && unmaskTrigger.drain() > 0) {
            unmask();
        }
    }

    /** See {@link CountedEventFd#freeStuck}. */
    boolean freeStuck() {
        return vector.freeStuck();
    }

    void disable() {
        vector.disable();
        connectUnmask(null);
        masked.set(false);
    }
}
