package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.ChainCompletion;
import org.virtiobackend.virtio.queue.CompletedChains;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * One live queue on its worker: drains the handler, returns finished chains, publishes and notifies once per batch.
 *
 * <p>Fields without a note belong to the worker. Control asks through the volatile ones and waits for the answer in
 * {@link DeviceRuntime}.
 */
final class QueueTask implements ChainCompletion {
    /** Chains taken in one go before other queues of the worker get their turn. */
    static final int BUDGET = 64;
    /** The same for a thread that has something else to do. */
    static final int BORROWED_BUDGET = 4;

    private static final int BORROWED_ROUNDS = 4;
    /** A borrowed round that takes longer has waited, and not just for a processor: the worker is the one to wait, for some time. */
    private static final long SLOW_NANOS = 4_000_000;

    private static final long SLOW_PAUSE_NANOS = 100_000_000;

    private static final long NANOS_PER_MICRO = 1000;

    private final DeviceRuntime runtime;
    private final int index;
    private final QueueHandler handler;
    private final WakeUp[] wakeOn;
    private final QueueStatistics statistics;
    /** See {@link QueueHandler#awaitsNotification}. */
    private final boolean awaitsNotification;

    private final CompletedChains completed = new CompletedChains();
    private final Runnable borrow = this::serveBorrowed;

    private Virtqueue queue;
    private Worker worker;
    private int deferred;
    private boolean usedAdded;
    private boolean kicksOn = true;
    private volatile boolean dead;
    /** Buffers added since the last publication. */
    private int added;
    /** Published buffers of which the driver has not been told. */
    private long held;

    private long heldSince;
    private volatile Coalescing coalescing = Coalescing.NONE;
    /** A chain needs memory that only the worker can wait for. */
    private volatile boolean workerOnly;

    /** When the queue may be borrowed again; the command thread's. */
    private long borrowAfter = System.nanoTime();

    /** Set by a kick from any thread, taken by the worker. */
    private volatile boolean kicked = true;
    /** Counts what control wants: each request makes the queue let go of all memory and look at the mappings again. */
    private volatile int request;
    /** The last request that was met; written by the worker. */
    private volatile int answered;
    /** Serve nothing after the present request is met. */
    private volatile boolean paused;
    /** End instead of going on. */
    private volatile boolean stopping;

    private volatile boolean stopped;

    QueueTask(DeviceRuntime runtime, int index, QueueHandler handler, WakeUp[] wakeOn, QueueStatistics statistics) {
        this.runtime = runtime;
        this.index = index;
        this.handler = handler;
        this.wakeOn = wakeOn;
        this.statistics = statistics;
        this.awaitsNotification = handler.awaitsNotification();
    }

    void bind(Virtqueue newQueue, Worker newWorker) {
        queue = newQueue;
        worker = newWorker;
    }

    int index() {
        return index;
    }

    Worker worker() {
        return worker;
    }

    WakeUp[] wakeOn() {
        return wakeOn;
    }

    // ---- any thread

    /** @param commands the thread on which this may be called, which may then serve the queue */
    void kick(CommandThread commands) {
        statistics.kicks++;
        worker.notified(commands.isAwaited());
        if (!kicked) {
            kicked = true;
        }
        if (!isBorrowable() || !commands.afterAnswer(borrow)) {
            worker.wakeFromSleep();
        }
    }

    void wake() {
        if (!kicked) {
            kicked = true;
        }
        worker.wake();
    }

    void coalesce(Coalescing wanted) {
        coalescing = wanted;
    }

    Coalescing coalescing() {
        return coalescing;
    }

    /** Control only: asks the queue to let go of memory; {@link #isQuiet} tells when it has. */
    void requestQuiet(boolean pause) {
        paused = pause;
        request++;
        worker.wake();
    }

    /** Control only: how a queue starts that nobody runs yet. */
    void requestQuietBeforeStart(boolean pause) {
        paused = pause;
    }

    /** Control only: asks the queue to end once its chains are back. */
    void requestStop() {
        stopping = true;
        request++;
        worker.wake();
    }

    boolean isQuiet() {
        return stopped || answered == request;
    }

    boolean isStopped() {
        return stopped;
    }

    @Override
    public void completed(DescriptorChain chain) {
        if (!chain.isDeferred()) {
            finish(chain);
        } else {
            completed.push(chain);
            worker.wake();
        }
    }

    // ---- the command thread, in place of a worker that sleeps

    private boolean isBorrowable() {
        return worker.mayLend()
                && handler.isPrompt()
                && !coalescing.isOn()
                && !workerOnly
                && isServing()
                && System.nanoTime() - borrowAfter >= 0;
    }

    private void serveBorrowed() {
        try {
            if (!isServing() || !worker.borrow()) {
                worker.wakeFromSleep();
                return;
            }
            boolean more = true;
            try {
                more = queue.isRemote() || serveLent();
            } finally {
                worker.giveBack(more);
            }
        } catch (InternalError e) {
            // Found late, but this thread touches no other client's memory.
            runtime.fail(e);
        }
    }

    /** True when the worker has to go on. */
    private boolean serveLent() {
        long start = System.nanoTime();
        boolean more = true;
        for (int round = 0; more && round < BORROWED_ROUNDS && !workerOnly; round++) {
            drainLent();
            more = enableKicks();
        }
        long end = System.nanoTime();
        if (end - start > SLOW_NANOS) {
            borrowAfter = end + SLOW_PAUSE_NANOS;
        }
        return more || isArmed();
    }

    /** Whether the handler waits for a descriptor, of which the worker that sleeps may not know. */
    private boolean isArmed() {
        for (WakeUp wakeUp : wakeOn) {
            if (wakeUp.isArmed()) {
                return true;
            }
        }
        return false;
    }

    /** What others have completed stays for the worker: it may have to be sent to the client. */
    private void drainLent() {
        try {
            drain(BORROWED_BUDGET);
            if (usedAdded) {
                publish();
            }
        } catch (Throwable t) {
            failed(t);
        }
    }

    // ---- whose turn it is: the worker, or the command thread that borrows

    boolean isRemote() {
        return queue.isRemote();
    }

    @Override
    public void deferred(DescriptorChain chain) {
        deferred++;
    }

    /** Does what there is to do; returns an amount of work, 0 for idle. */
    int run() {
        if (stopped) {
            return 0;
        }
        try {
            int wanted = request;
            int work = takeCompleted();
            if (wanted != answered) {
                work += settle(wanted);
            } else if (!paused && !dead && (kicked || !isLookedAtWhenKicked())) {
                work += drain(BUDGET);
            }
            if (usedAdded) {
                publish();
            } else if (held > 0 && !dead && !isHeldBack()) {
                notifyDriver();
                work++;
            }
            return work;
        } catch (Throwable t) {
            failed(t);
            return 1;
        }
    }

    /** A mapping that died shows as InternalError: it fails this device, not the process. */
    private void failed(Throwable t) {
        if (t instanceof VirtqueueException e && e.isForWorker()) {
            workerOnly = true;
            kicked = true;
        } else {
            fail(t);
        }
    }

    private int drain(int budget) throws Exception {
        if (kicked) {
            kicked = false;
        }
        if (kicksOn && !awaitsNotification) {
            suppressKicks();
        }
        int work = handler.drain(queue, budget);
        worker.countArrived(work);
        // asked for before the driver hears of this batch: each later buffer comes with a notification
        if (work > 0 && queue.isRemote() || awaitsNotification && queue.enableKicks()) {
            kicked = true;
        }
        return work;
    }

    private boolean isLookedAtWhenKicked() {
        return awaitsNotification || queue.isRemote();
    }

    private int takeCompleted() {
        if (completed.isEmpty()) {
            return 0;
        }
        int count = 0;
        DescriptorChain chain = completed.takeAll();
        while (chain != null) {
            DescriptorChain next = CompletedChains.next(chain);
            deferred--;
            finish(chain);
            count++;
            chain = next;
        }
        return count;
    }

    private void finish(DescriptorChain chain) {
        if (dead) {
            return;
        }
        try {
            long written = chain.written();
            statistics.requests++;
            statistics.bytesRead += chain.readable().segments().totalBytes();
            statistics.bytesWritten += written;
            queue.addUsed(chain, written);
            usedAdded = true;
            added++;
        } catch (VirtqueueException e) {
            fail(e);
        }
    }

    private void publish() throws VirtqueueException {
        usedAdded = false;
        if (dead) {
            return;
        }
        queue.publishUsed();
        if (held == 0 && coalescing.isOn()) {
            heldSince = System.nanoTime();
        }
        held += added;
        added = 0;
        if (!isHeldBack()) {
            notifyDriver();
        }
    }

    private void notifyDriver() throws VirtqueueException {
        held = 0;
        if (queue.driverWantsNotification()) {
            statistics.notifications++;
            runtime.events().usedBufferNotification(index);
        }
    }

    private boolean isHeldBack() {
        Coalescing present = coalescing;
        return present.isOn()
                && held < present.maxBuffers()
                && System.nanoTime() - heldSince < present.maxMicros() * NANOS_PER_MICRO;
    }

    /** How long until a notification that is held back is due, ns; at most this. */
    long dueNanos(long atMost) {
        if (held == 0 || dead) {
            return atMost;
        }
        return Math.min(atMost, heldSince + coalescing.maxMicros() * NANOS_PER_MICRO - System.nanoTime());
    }

    /** Meets a request of control once nothing is out; polls nothing new until then. */
    private int settle(int wanted) throws VirtqueueException {
        if (usedAdded) {
            publish();
        }
        if (held > 0 && !dead) {
            notifyDriver();
        }
        if (deferred > 0) {
            handler.letGo();
            return 0;
        }
        if (stopping) {
            worker.remove(this);
            stopped = true;
        } else if (!dead) {
            queue.reattach();
            workerOnly = false;
            kicked = true;
        }
        answered = wanted;
        runtime.progress();
        return 1;
    }

    private void fail(Throwable cause) {
        dead = true;
        usedAdded = false;
        runtime.fail(cause);
    }

    /** Fails the device if its memory is what a fault was about; true when it was. */
    boolean failIfMemoryIsGone(Throwable cause) {
        if (dead || queue.memoryIsIntact()) {
            return false;
        }
        fail(cause);
        return true;
    }

    /** Another queue of the device failed: this one stops serving as well. */
    void die() {
        dead = true;
    }

    /** Called when the worker begins to poll. */
    void suppressKicks() {
        if (!kicksOn || !isServing()) {
            return;
        }
        kicksOn = false;
        try {
            queue.suppressKicks();
        } catch (Throwable t) {
            fail(t);
        }
    }

    /** Called before the worker sleeps; true when there is work after all. */
    boolean enableKicks() {
        if (!isServing() || awaitsNotification || !handler.wantsKicks()) {
            return false;
        }
        kicksOn = true;
        try {
            boolean more = queue.enableKicks();
            if (more) {
                kicked = true;
            }
            return more;
        } catch (Throwable t) {
            fail(t);
            return false;
        }
    }

    /** A descriptor that the handler waits for is ready. */
    void woken() {
        kicked = true;
    }

    /** A last look before sleeping, after the worker has said that it sleeps. */
    boolean hasPending() {
        return !completed.isEmpty() || request != answered && deferred == 0 || kicked && isServing();
    }

    boolean isServing() {
        return request == answered && !paused && !dead && !stopped;
    }
}
