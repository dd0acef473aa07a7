package org.virtiobackend.virtio.device.io;

import java.util.ArrayDeque;
import java.util.Deque;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.Scheduling;

/**
 * Threads that may wait for storage, shared by all devices of a process. How much is queued is bounded by the queues
 * of the devices: a request waits here at most once. Submitting to a warm pool allocates nothing.
 */
public final class IoPool implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(IoPool.class);

    /** Work that may wait. It must not throw: it answers for its own failure. */
    public interface Task {
        /** @param scratch of the thread that runs it */
        void run(IoScratch scratch);
    }

    private static final int INITIAL = 64;

    private final int maxThreads;
    private Task[] ring = new Task[INITIAL];
    /** What waits for others: one thread less than there are is the most that it takes. */
    private final Deque<Task> slow = new ArrayDeque<>();

    private int slowRunning;
    private int head;
    private int count;
    private int threads;
    private int idle;
    private boolean closed;

    /** @param threads at most so many, or a second one while the only one is with something slow; they start when work comes */
    public IoPool(int threads) {
        this.maxThreads = threads;
    }

    /** Runs {@code task} soon, on a thread of the pool; from any thread, never waits for one. */
    public synchronized void submit(Task task) {
        requireOpen();
        if (count == ring.length) {
            grow();
        }
        ring[(head + count++) & (ring.length - 1)] = task;
        callThread();
    }

    /** As {@link #submit} for what others may keep waiting for long: a thread is left to the rest, however much of it comes. */
    public synchronized void submitSlow(Task task) {
        requireOpen();
        slow.add(scratch -> {
            try {
                task.run(scratch);
            } finally {
                slowEnded();
            }
        });
        callThread();
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("I/O pool is closed");
        }
    }

    private void callThread() {
        int most = slowRunning > 0 ? Math.max(2, maxThreads) : maxThreads;
        if (count + slow.size() > idle && threads < most) {
            start();
        } else {
            notify();
        }
    }

    private synchronized void slowEnded() {
        slowRunning--;
    }

    /** Lets what was submitted finish and ends the threads. */
    @Override
    public synchronized void close() {
        closed = true;
        notifyAll();
        boolean interrupted = false;
        while (threads > 0) {
            try {
                wait();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void start() {
        Thread thread = new Thread(this::work, "io-" + threads++);
        thread.setDaemon(true);
        thread.start();
    }

    private void work() {
        IoScratch scratch = new IoScratch();
        try {
            Scheduling.shortTurns();
            while (runNext(scratch)) {}
        } finally {
            ended();
        }
    }

    /** False at the end. The JVM may report a fault in mapped memory late, here: the next task has nothing to do with it. */
    private boolean runNext(IoScratch scratch) {
        try {
            Task task = take();
            if (task == null) {
                return false;
            }
            task.run(scratch);
        } catch (InternalError e) {
            LOG.warn("memory of a client went away during a request: {}", e.getMessage());
        }
        return true;
    }

    private synchronized Task take() {
        while (count == 0 || maySlow()) {
            if (maySlow()) {
                return takeSlow();
            }
            if (closed) {
                return null;
            }
            idle++;
            try {
                wait();
            } catch (InterruptedException e) {
                // nobody has a reason to interrupt this thread: look again
            } finally {
                idle--;
            }
        }
        Task task = ring[head];
        ring[head] = null;
        head = (head + 1) & (ring.length - 1);
        count--;
        return task;
    }

    private boolean maySlow() {
        return !slow.isEmpty() && slowRunning < Math.max(1, maxThreads - 1);
    }

    private Task takeSlow() {
        slowRunning++;
        Task task = slow.remove();
        if (count > 0) {
            callThread();
        }
        return task;
    }

    private synchronized void ended() {
        threads--;
        notifyAll();
    }

    private void grow() {
        Task[] larger = new Task[ring.length * 2];
        for (int i = 0; i < count; i++) {
            larger[i] = ring[(head + i) & (ring.length - 1)];
        }
        ring = larger;
        head = 0;
    }
}
