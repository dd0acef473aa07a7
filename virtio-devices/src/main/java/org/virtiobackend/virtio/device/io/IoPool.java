package org.virtiobackend.virtio.device.io;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

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
    private int head;
    private int count;
    private int threads;
    private int idle;
    private boolean closed;

    /** @param threads at most so many; they start when work comes */
    public IoPool(int threads) {
        this.maxThreads = threads;
    }

    /** Runs {@code task} soon, on a thread of the pool; from any thread, never waits for one. */
    public synchronized void submit(Task task) {
        if (closed) {
            throw new IllegalStateException("I/O pool is closed");
        }
        if (count == ring.length) {
            grow();
        }
        ring[(head + count++) & (ring.length - 1)] = task;
        if (count > idle && threads < maxThreads) {
            start();
        } else {
            notify();
        }
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
        while (count == 0) {
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
