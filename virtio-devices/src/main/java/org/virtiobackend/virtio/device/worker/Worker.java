package org.virtiobackend.virtio.device.worker;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.RunDelay;
import org.virtiobackend.posix.Scheduling;

/** A thread that owns queues, of one device or of many: serves them in turn, polls a while when idle, then sleeps. */
final class Worker implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Worker.class);
    private static final int CLOCK_EVERY = 16;
    /** Waits after which it looks how long it had to wait for a processor at the end of each, and how long is too long. */
    private static final int DELAY_EVERY = 64;

    private static final long CROWDED_NANOS = 10_000;

    private final WaitSet waitSet = new WaitSet();
    private final IdleStrategy idle;
    private final NapPolicy naps = new NapPolicy();
    private final Turn turn = new Turn();
    private final Thread thread;
    private final Queue<Runnable> mailbox = new ConcurrentLinkedQueue<>();
    private final OwnedQueues queues = new OwnedQueues();
    /** Chains taken since the last nap; belongs to whose turn it is, as does the next. */
    private int arrived;

    private final IdleTime idleTime = new IdleTime();
    /** See {@link IdleTime#begin}. */
    private boolean mayDoze;

    /** The last borrower has woken the worker. */
    private boolean handedOver;

    /** Waits for memory behind messages were cut short, perhaps those of other queues than the one that was wanted. */
    private boolean gaveWay;

    private int waits;
    private long delayBefore;
    /** Whether drivers stand still until their notifications are answered. */
    private volatile boolean dear;

    private volatile boolean mail;
    private volatile boolean closing;
    private final AtomicInteger load = new AtomicInteger();

    Worker(String name, IdleStrategy idle) throws ErrnoException {
        this.idle = idle;
        this.thread = new WaitingThread(name);
        this.thread.setDaemon(true);
    }

    /** The thread, as memory behind messages sees it. */
    private final class WaitingThread extends Thread implements RemoteMemory.Waiter {
        WaitingThread(String name) {
            super(Worker.this, name);
        }

        @Override
        public boolean isWanted() {
            boolean awaited = queues.isAnyAwaited();
            gaveWay |= awaited;
            return awaited;
        }
    }

    void start() {
        thread.start();
    }

    /** Queues that it owns or will own in a moment; any thread. */
    int load() {
        return load.get();
    }

    void add(QueueTask task) {
        betweenTurns(() -> {
            queues.add(task);
            queuesChanged();
        });
    }

    /** Runs {@code action} here while no queue is being served; any thread. */
    void betweenTurns(Runnable action) {
        mailbox.add(action);
        mail = true;
        wake();
    }

    /** On this worker only. */
    void remove(QueueTask task) {
        queues.remove(task);
        queuesChanged();
    }

    private void queuesChanged() {
        naps.limit(queues.longestNapNanos());
        mayDoze = queues.mayNotifyLate();
    }

    /** Books a queue that will be added. */
    void expect() {
        load.incrementAndGet();
    }

    /** Takes a booked queue off the books, after it was removed or when it never came. */
    void forget() {
        load.decrementAndGet();
    }

    /** Makes it look at its queues and mailbox; any thread, cheap while it is awake. */
    void wake() {
        if (turn.isAway()) {
            waitSet.signal();
        }
    }

    /** Makes it look at its queues even if it waits for memory behind messages. */
    void wakeFromWait() {
        wake();
        LockSupport.unpark(thread);
    }

    /** As {@link #wake}, for something that it finds at the end of a nap as well. */
    void wakeFromSleep() {
        if (turn.isDeaf()) {
            waitSet.signal();
        }
    }

    /**
     * A driver has notified one of the queues; its command thread.
     *
     * @param awaited whether it waits for the end of that
     */
    void notified(boolean awaited) {
        if (dear != awaited) {
            dear = awaited;
        }
    }

    /** Whether {@link #borrow} is likely to succeed; any thread. */
    boolean mayLend() {
        return idle.mayLend() && turn.isAsleep();
    }

    /** Lets the calling thread serve queues in place of a worker that sleeps; false when it does not sleep. */
    boolean borrow() {
        if (!turn.borrow()) {
            return false;
        }
        noteIdle(idleTime.ended());
        return true;
    }

    /** As {@link #borrow}, to give back what was taken before: no driver has ended the worker's sleep. */
    boolean borrowToReturn() {
        if (!turn.borrow()) {
            return false;
        }
        idleTime.endedOtherwise();
        return true;
    }

    /** While lent: whether the worker looks at its queues soon, woken or not. */
    boolean looksAgain() {
        return idleTime.isDozing();
    }

    /**
     * Ends what {@link #borrow} or {@link #borrowToReturn} began.
     *
     * @param more whether the queue has still to be looked at
     */
    void giveBack(boolean more) {
        // Work that keeps coming is for the worker, which can do better than sleep in between.
        boolean takeOver = more || naps.nanos() > 0 || idle.spinNanos() > 0;
        idleTime.restart();
        handedOver = takeOver;
        turn.giveBack(thread);
        if (takeOver) {
            waitSet.signal();
        }
    }

    /** Whose turn it is counts what it takes. */
    void countArrived(int chains) {
        arrived += chains;
    }

    void close() {
        closing = true;
        waitSet.signal();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        waitSet.close();
    }

    @Override
    public void run() {
        Scheduling.shortTurns();
        try (RunDelay delay = new RunDelay()) {
            while (!closing) {
                serveOnce(delay);
            }
        }
    }

    private void serveOnce(RunDelay delay) {
        try {
            serve();
            if (waits >= DELAY_EVERY) {
                considerDelay(delay.nanos());
            }
        } catch (InternalError e) {
            turn.take();
            blame(e);
        } catch (Throwable t) {
            turn.take();
            LOG.error("worker {} goes on after an unexpected error", thread.getName(), t);
        }
    }

    private void considerDelay(long now) {
        idle.setCrowded((now - delayBefore) / waits > CROWDED_NANOS);
        delayBefore = now;
        waits = 0;
    }

    private void serve() throws ErrnoException {
        if (mail) {
            takeMail();
        }
        if (gaveWay) {
            gaveWay = false;
            queues.memoryBack();
        }
        if (queues.run() > 0) {
            idleTime.endedOtherwise();
            return;
        }
        if (queues.isEmpty()) {
            sleep();
        } else if (naps.nanos() > 0 && queues.mayNap()) {
            // A driver that fills the shortest of naps is fast enough to be polled.
            if (!naps.isShortest() || !spin(idle.mostNanos())) {
                nap();
            }
        } else if (!idle.spinsForever() && !spinUntilWork()) {
            sleep();
        }
    }

    private void noteIdle(long nanos) {
        idle.slept(nanos);
        if (idle.isAdaptive()) {
            naps.idled(nanos);
        }
    }

    /** The JVM reports a fault in mapped memory late, at some system call: finds the devices whose memory has gone. */
    private void blame(InternalError fault) {
        if (!queues.failWhereMemoryIsGone(fault)) {
            LOG.error("worker {} goes on after an unexpected error", thread.getName(), fault);
        }
    }

    private void takeMail() {
        mail = false;
        try {
            Runnable message;
            while ((message = mailbox.poll()) != null) {
                message.run();
            }
        } finally {
            if (!mailbox.isEmpty()) {
                mail = true; // one has failed: those after it are for the next time
            }
        }
    }

    /** Polls for as long as the idle strategy says; true when something came. */
    private boolean spinUntilWork() {
        boolean came = spin(idle.spinNanos());
        if (came && idle.isAdaptive()) {
            naps.idled(0);
        }
        return came;
    }

    private boolean spin(long nanos) {
        if (nanos == 0) {
            return false;
        }
        long start = System.nanoTime();
        for (int i = 1; ; i++) {
            Thread.onSpinWait();
            if (mail || closing || queues.run() > 0) {
                return true;
            }
            if (i % CLOCK_EVERY == 0 && System.nanoTime() - start > nanos) {
                return false;
            }
        }
    }

    /** Waits a little with notifications off, see {@link NapPolicy}. */
    private void nap() throws ErrnoException {
        long limit = Math.min(naps.nanos(), queues.dueNanos());
        waitSet.watch(queues.all(), false);
        turn.nap();
        if (mail || closing || queues.isAnyPending()) {
            turn.take();
            return;
        }
        await(limit);
        arrived = 0;
        queues.run();
        naps.napped(arrived, dear);
    }

    private void sleep() throws ErrnoException {
        boolean more = queues.enableKicks();
        long limit = idleTime.begin(queues.dueNanos(), mayDoze);
        waitSet.watch(queues.all(), true);
        turn.sleep();
        if (more || mail || closing || queues.isAnyPending()) {
            turn.take();
            return;
        }
        if (!await(limit)) {
            idleTime.goesOn();
        } else if (handedOver) { // then it was not work of the driver that ended its sleep
            idleTime.endedOtherwise();
        } else {
            noteIdle(idleTime.ended());
        }
        handedOver = false;
    }

    /** Waits for what was said to {@link WaitSet#watch} or the end of the time, with the turn given away; false at the end of the time. */
    private boolean await(long nanos) throws ErrnoException {
        boolean ready;
        try {
            ready = waitSet.await(nanos);
        } finally {
            turn.take();
        }
        waits++;
        waitSet.tell();
        return ready;
    }
}
