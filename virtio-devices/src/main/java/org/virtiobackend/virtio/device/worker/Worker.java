package org.virtiobackend.virtio.device.worker;

import java.util.Arrays;
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
import org.virtiobackend.virtio.device.QueueHandler;

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
    private QueueTask[] tasks = {};
    /** Chains taken since the last nap; belongs to whose turn it is, as does the next. */
    private int arrived;

    private final IdleTime idleTime = new IdleTime();
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
            for (QueueTask task : tasks) {
                if (task.isAwaited()) {
                    gaveWay = true;
                    return true;
                }
            }
            return false;
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
            tasks = Arrays.copyOf(tasks, tasks.length + 1);
            tasks[tasks.length - 1] = task;
            limitNaps();
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
        tasks = Arrays.stream(tasks).filter(t -> t != task).toArray(QueueTask[]::new);
        limitNaps();
    }

    private void limitNaps() {
        long nanos = Long.MAX_VALUE;
        for (QueueTask task : tasks) {
            nanos = Math.min(nanos, task.longestNapNanos());
        }
        naps.limit(tasks.length == 0 ? QueueHandler.NAP_NANOS : nanos);
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

    /** While lent: whether the worker looks at its queues soon, woken or not. */
    boolean looksAgain() {
        return idleTime.isDozing();
    }

    /**
     * Ends what {@link #borrow} began.
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
            for (QueueTask task : tasks) {
                task.requests().memoryBack();
            }
        }
        if (runTasks() > 0) {
            idleTime.endedOtherwise();
            return;
        }
        if (tasks.length == 0) {
            sleep();
        } else if (naps.nanos() > 0 && canNap()) {
            // A driver that fills the shortest of naps is fast enough to be polled.
            if (!naps.isShortest() || !spin(idle.mostNanos())) {
                nap();
            }
        } else if (!idle.spinsForever() && !spinUntilWork()) {
            sleep();
        }
    }

    /** A queue that is reached by messages is only looked at after a notification. */
    private boolean canNap() {
        for (QueueTask task : tasks) {
            if (task.isRemote()) {
                return false;
            }
        }
        return true;
    }

    private void noteIdle(long nanos) {
        idle.slept(nanos);
        if (idle.isAdaptive()) {
            naps.idled(nanos);
        }
    }

    /** The JVM reports a fault in mapped memory late, at some system call: finds the devices whose memory has gone. */
    private void blame(InternalError fault) {
        boolean found = false;
        for (QueueTask task : tasks) {
            found |= task.failIfMemoryIsGone(fault);
        }
        if (!found) {
            LOG.error("worker {} goes on after an unexpected error", thread.getName(), fault);
        }
    }

    private void takeMail() {
        mail = false;
        Runnable message;
        while ((message = mailbox.poll()) != null) {
            message.run();
        }
    }

    private int runTasks() {
        int work = 0;
        QueueTask[] all = tasks;
        for (int i = 0; i < all.length; i++) {
            work += all[i].run();
            if (!all[i].isOfSameDevice(all[i + 1 < all.length ? i + 1 : 0])) {
                all[i].endTurnOfDevice();
            }
        }
        return work;
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
            if (mail || closing || runTasks() > 0) {
                return true;
            }
            if (i % CLOCK_EVERY == 0 && System.nanoTime() - start > nanos) {
                return false;
            }
        }
    }

    /** Waits a little with notifications off, see {@link NapPolicy}. */
    private void nap() throws ErrnoException {
        long limit = Math.min(naps.nanos(), due());
        waitSet.watch(tasks, false);
        turn.nap();
        if (mail || closing || anyPending()) {
            turn.take();
            return;
        }
        await(limit);
        arrived = 0;
        runTasks();
        naps.napped(arrived, dear);
    }

    private void sleep() throws ErrnoException {
        boolean more = false;
        for (QueueTask task : tasks) {
            more |= !task.isRemote() && task.enableKicks();
        }
        long limit = idleTime.begin(due());
        waitSet.watch(tasks, true);
        turn.sleep();
        if (more || mail || closing || anyPending()) {
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

    /** How long until a notification that was held back has to be sent, ns, or for ever. */
    private long due() {
        long due = WaitSet.FOREVER;
        for (QueueTask task : tasks) {
            due = task.dueNanos(due);
        }
        return due;
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

    private boolean anyPending() {
        for (QueueTask task : tasks) {
            if (task.hasPending()) {
                return true;
            }
        }
        return false;
    }
}
