package org.virtiobackend.virtio.device;

import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Poller;

/**
 * A descriptor whose readiness wakes the handler of a queue that sleeps. Level-triggered: a handler that cannot make use of what is
 * ready disarms it, or its worker never sleeps. Armed and disarmed by the handler, inside {@code drain}; the descriptor stays its
 * owner's.
 */
public final class WakeUp {
    /** There is something to read, or the peer has gone. */
    public static final int READABLE = Poller.POLLIN;
    /** There is room to write, or the peer has gone. */
    public static final int WRITABLE = Poller.POLLOUT;

    private Fd fd;
    private int events;

    /** Wakes on {@code fd} from now on, in place of what was armed before; {@code events} are READABLE, WRITABLE or both. */
    public void arm(Fd newFd, int newEvents) {
        fd = newFd;
        events = newEvents;
    }

    public void disarm() {
        fd = null;
        events = 0;
    }

    public boolean isArmed() {
        return fd != null;
    }

    /** Null when disarmed. */
    public Fd fd() {
        return fd;
    }

    public int events() {
        return events;
    }

    /** Whether one of these at least is armed. */
    public static boolean isAnyArmed(WakeUp[] some) {
        for (WakeUp each : some) {
            if (each.isArmed()) {
                return true;
            }
        }
        return false;
    }
}
