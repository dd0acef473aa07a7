package org.virtiobackend.virtio.device.worker;

import java.util.Arrays;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.virtio.device.WakeUp;

/** What a worker waits for: to be signalled, and the descriptors that its queues' handlers have armed. Closed by the worker's owner. */
final class WaitSet {
    /** No end of the wait by time, ns. */
    static final long FOREVER = Long.MAX_VALUE;

    private final EventFd signal;
    private final Poller poller = new Poller(8);
    /** Whose descriptors are waited for, in the order of the poll, after the signal. */
    private QueueTask[] owners = new QueueTask[8];

    private int count;

    WaitSet() throws ErrnoException {
        this.signal = EventFd.create();
    }

    /** Ends the present wait, or the next; any thread. */
    void signal() {
        signal.signal();
    }

    /**
     * Says what to wait for. Before the turn is given away, as a borrower may arm others.
     *
     * @param descriptors whether those that handlers have armed end the wait; a nap looks by itself when it is over
     */
    void watch(QueueTask[] tasks, boolean descriptors) {
        poller.clear();
        count = 0;
        poller.add(signal.fd(), Poller.POLLIN);
        for (QueueTask task : tasks) {
            if (descriptors && task.isServing()) {
                add(task);
            }
        }
    }

    private void add(QueueTask task) {
        for (WakeUp wakeUp : task.wakeOn()) {
            if (wakeUp.isArmed()) {
                owners = count < owners.length ? owners : Arrays.copyOf(owners, 2 * count);
                owners[count++] = task;
                poller.add(wakeUp.fd(), wakeUp.events());
            }
        }
    }

    /**
     * @param nanos at most that long, or {@link #FOREVER}
     * @return false at the end of that time
     */
    boolean await(long nanos) throws ErrnoException {
        int ready = nanos == FOREVER ? poller.poll(-1) : poller.pollNanos(Math.max(0, nanos));
        return ready > 0;
    }

    /** After a wait: tells the queues whose descriptors are ready. */
    void tell() {
        signal.drain();
        for (int i = 0; i < count; i++) {
            if (poller.events(i + 1) != 0) {
                owners[i].woken();
            }
            owners[i] = null;
        }
    }

    void close() {
        signal.close();
    }
}
