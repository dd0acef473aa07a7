package org.virtiobackend.virtio.device.worker;

import java.util.Arrays;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicInteger;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.virtio.device.WakeUp;

/** A thread that owns queues, of one device or of many: serves them in turn, polls a while when idle, then sleeps. */
final class Worker implements Runnable {
    private static final Logger LOG = LoggerFactory.getLogger(Worker.class);
    private static final int CLOCK_EVERY = 16;

    private final EventFd wake;
    private final Poller poller = new Poller(8);
    private final IdleStrategy idle;
    private final Thread thread;
    private final Queue<Runnable> mailbox = new ConcurrentLinkedQueue<>();
    private QueueTask[] tasks = {};
    /** Whose descriptors the last poll waited for, in its order. */
    private QueueTask[] wakeTasks = new QueueTask[8];

    private int wakeCount;

    private volatile boolean mail;
    private volatile boolean asleep;
    private volatile boolean closing;
    private final AtomicInteger load = new AtomicInteger();

    Worker(String name, IdleStrategy idle) throws ErrnoException {
        this.wake = EventFd.create();
        this.idle = idle;
        this.thread = new Thread(this, name);
        this.thread.setDaemon(true);
    }

    void start() {
        thread.start();
    }

    Thread thread() {
        return thread;
    }

    /** Queues that it owns or will own in a moment; any thread. */
    int load() {
        return load.get();
    }

    void add(QueueTask task) {
        mailbox.add(() -> {
            tasks = Arrays.copyOf(tasks, tasks.length + 1);
            tasks[tasks.length - 1] = task;
        });
        mail = true;
        wake();
    }

    /** On this worker only. */
    void remove(QueueTask task) {
        tasks = Arrays.stream(tasks).filter(t -> t != task).toArray(QueueTask[]::new);
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
        if (asleep) {
            wake.signal();
        }
    }

    void close() {
        closing = true;
        wake.signal();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        wake.close();
    }

    @Override
    public void run() {
        while (!closing) {
            try {
                serve();
            } catch (InternalError e) {
                blame(e);
            } catch (Throwable t) {
                LOG.error("worker {} goes on after an unexpected error", thread.getName(), t);
            }
        }
    }

    private void serve() throws ErrnoException {
        if (mail) {
            takeMail();
        }
        if (runTasks() > 0) {
            return;
        }
        if (tasks.length > 0 && (idle.spinsForever() || spinUntilWork())) {
            return;
        }
        sleep();
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
        for (QueueTask task : tasks) {
            work += task.run();
        }
        return work;
    }

    /** Polls for as long as the idle strategy says; true when something came. */
    private boolean spinUntilWork() {
        if (idle.spinNanos() == 0) {
            return false;
        }
        long deadline = System.nanoTime() + idle.spinNanos();
        for (int i = 1; ; i++) {
            Thread.onSpinWait();
            if (mail || closing || runTasks() > 0) {
                idle.spinPaidOff();
                return true;
            }
            if (i % CLOCK_EVERY == 0 && System.nanoTime() - deadline > 0) {
                return false;
            }
        }
    }

    private void sleep() throws ErrnoException {
        boolean more = false;
        for (QueueTask task : tasks) {
            more |= task.enableKicks();
        }
        asleep = true;
        if (more || mail || closing || anyPending()) {
            asleep = false;
            return;
        }
        poller.clear();
        wakeCount = 0;
        poller.add(wake.fd(), Poller.POLLIN);
        for (QueueTask task : tasks) {
            if (task.isServing()) {
                arm(task);
            }
        }
        long due = Long.MAX_VALUE;
        for (QueueTask task : tasks) {
            due = task.dueNanos(due);
        }
        long before = System.nanoTime();
        if (due == Long.MAX_VALUE) {
            poller.poll(-1);
        } else {
            poller.pollNanos(Math.max(0, due));
        }
        asleep = false;
        wake.drain();
        tellWoken();
        idle.slept(System.nanoTime() - before);
    }

    private void arm(QueueTask task) {
        for (WakeUp wakeUp : task.wakeOn()) {
            if (wakeUp.isArmed()) {
                wakeTasks = wakeCount < wakeTasks.length ? wakeTasks : Arrays.copyOf(wakeTasks, 2 * wakeCount);
                wakeTasks[wakeCount++] = task;
                poller.add(wakeUp.fd(), wakeUp.events());
            }
        }
    }

    private void tellWoken() {
        for (int i = 0; i < wakeCount; i++) {
            if (poller.events(i + 1) != 0) {
                wakeTasks[i].woken();
            }
            wakeTasks[i] = null;
        }
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
