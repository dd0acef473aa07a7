package org.virtiobackend.virtio.device.worker;

import org.virtiobackend.posix.MemoryFaults;
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
 * <p>Fields without a note belong to whose {@link Turn} it is. Control asks through {@link QueueRequests} and waits for the answer in
 * {@link DeviceRuntime}.
 */
final class QueueTask implements ChainCompletion {
    /** Chains taken in one go before other queues of the worker get their turn. */
    static final int BUDGET = 64;

    private final DeviceRuntime runtime;
    private final int index;
    private final QueueHandler handler;
    private final WakeUp[] wakeOn;
    private final QueueStatistics statistics;
    private final UsedNotification notification;
    private final UsedBuffers used;
    private final LentQueue lent;
    private final LoneReturn loneReturn = new LoneReturn(this);
    private final QueueRequests requests = new QueueRequests();
    private final Kicks kicks;
    private final AwakeLook awakeLook;
    private final CompletedChains completed = new CompletedChains();

    private Virtqueue queue;
    private Worker worker;
    private int deferred;

    private volatile boolean dead;
    /** A chain needs memory that only the worker can wait for. */
    private volatile boolean workerOnly;

    QueueTask(DeviceRuntime runtime, int index, QueueHandler handler, WakeUp[] wakeOn, QueueStatistics statistics) {
        this.runtime = runtime;
        this.index = index;
        this.handler = handler;
        this.wakeOn = wakeOn;
        this.statistics = statistics;
        this.notification = new UsedNotification(index, statistics, System::nanoTime);
        this.used = new UsedBuffers(statistics, notification, runtime.events());
        this.lent = new LentQueue(this, runtime);
        this.kicks = new Kicks(handler);
        this.awakeLook = new AwakeLook(wakeOn);
    }

    void bind(Virtqueue newQueue, Worker newWorker) {
        queue = newQueue;
        kicks.bind(newQueue);
        used.bind(newQueue, handler.mayNotifyLate());
        requests.bind(newWorker);
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

    /** See {@link QueueHandler#mayNotifyLate}. */
    boolean mayNotifyLate() {
        return handler.mayNotifyLate();
    }

    /** See {@link QueueHandler#longestNapNanos}. */
    long longestNapNanos() {
        return handler.longestNapNanos();
    }

    // ---- any thread

    /** @param commands the thread on which this may be called, which may then serve the queue */
    void kick(CommandThread commands) {
        statistics.kicks++;
        worker.notified(commands.isAwaited());
        kicks.come();
        if (!mayBeLent() || !commands.afterAnswer(lent)) {
            worker.wakeFromSleep();
        }
    }

    void wake() {
        kicks.come();
        worker.wake();
    }

    UsedNotification notification() {
        return notification;
    }

    /** What control asks of the queue. */
    QueueRequests requests() {
        return requests;
    }

    /** Memory was mapped: looks for it if that may be what the queue lacks; control only. */
    void memoryAdded() {
        if (requests.mayMissMemory(used.isKeeping())) {
            requests.lookAgain();
        }
    }

    /** Whether control does nothing but wait for what can be done now; the worker. */
    boolean isAwaited() {
        return requests.areUrgent() && requests.areDue(deferred > 0 && completed.isEmpty());
    }

    @Override
    public void completed(DescriptorChain chain) {
        if (!chain.isDeferred()) {
            finish(chain);
        } else {
            completed.push(chain);
            if (requests.areUrgent()) {
                worker.wakeFromWait();
            } else if (!loneReturn.attempt()) {
                worker.wake();
            }
        }
    }

    // ---- the command thread, in place of a worker that sleeps

    private boolean mayBeLent() {
        return worker.mayLend()
                && handler.isPrompt()
                && !notification.coalescing().isOn()
                && maySpareWorker()
                && isServing()
                && lent.mayBegin();
    }

    boolean maySpareWorker() {
        return !workerOnly;
    }

    /** What others have completed stays for the worker: it may have to be sent to the client. */
    void drainAndPublish(int budget) {
        try {
            drain(budget);
            if (!dead) {
                used.show(worker.looksAgain());
            }
        } catch (Throwable t) {
            failed(t);
        }
    }

    // ---- the thread that has finished a chain, in place of a worker that sleeps

    /** A hint for any thread: whether {@link #returnLone} is worth a try. */
    boolean mayReturnLone() {
        return deferred == 1;
    }

    /**
     * Gives back what others have completed, if nothing else is out; true when there is more to do, which is for the worker.
     *
     * @throws InternalError memory is gone that this thread used before for something else; nothing is given back
     */
    boolean returnLone() {
        // a message is the worker's to send, which gives way when control waits for it: decision 0018
        if (deferred != 1 || queue.isRemote() || queue.holdsCopies() || !isServing()) {
            return true;
        }
        MemoryFaults.surface(); // what this thread did before is nothing to this device: decision 0007
        try {
            takeCompleted();
            if (!dead) {
                used.show(false);
            }
            MemoryFaults.surface(); // and what it does next may be another client's
        } catch (Throwable t) {
            failed(t);
        }
        return kicks.arePending() || requests.isMemoryBack() || !completed.isEmpty();
    }

    // ---- whose turn it is: the worker, or one that borrows

    boolean isRemote() {
        return queue.isRemote();
    }

    @Override
    public void deferred(DescriptorChain chain) {
        deferred++;
    }

    /** Does what there is to do; returns an amount of work, 0 for idle. */
    int run() {
        if (requests.isStopped()) {
            return 0;
        }
        try {
            int wanted = requests.newest();
            int work = takeCompleted();
            if (!requests.areMetUpTo(wanted)) {
                return work + settle(wanted);
            }
            if (!isServing()) {
                return work;
            }
            if (requests.takeMemoryBack()) {
                work += used.addKept();
            }
            work += used.showOwed();
            kicks.comeIf(work > 0 && queue.isHeldBack());
            if (kicks.arePending() || !kicks.areNeeded() || awakeLook.isReady()) {
                work += drain(BUDGET);
            }
            return dead ? work : work + used.show(true);
        } catch (Throwable t) {
            failed(t);
            return 1;
        }
    }

    boolean isOfSameDevice(QueueTask other) {
        return runtime == other.runtime;
    }

    /** The memory of another client is next: a fault in that of this one must show now. Decision 0007. */
    void endTurnOfDevice() {
        try {
            MemoryFaults.surface();
        } catch (InternalError e) {
            fail(e);
        }
    }

    /** A mapping that died shows as InternalError: it fails this device, not the process. */
    private void failed(Throwable t) {
        if (t instanceof VirtqueueException e && e.isForWorker()) {
            workerOnly = true;
            kicks.come();
        } else if (t instanceof VirtqueueException e && e.isNotNow()) {
            kicks.come(); // control is about to ask for something, and after that it goes on
        } else {
            fail(t);
        }
    }

    private int drain(int budget) throws Exception {
        kicks.take();
        int work = handler.drain(queue, budget);
        worker.countArrived(work);
        kicks.again(work > 0, isServing());
        return work;
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
            finishOrFail(chain);
            count++;
            chain = next;
        }
        return count;
    }

    /** The chains after this one have to come back as well, whatever becomes of it. */
    private void finishOrFail(DescriptorChain chain) {
        try {
            finish(chain);
        } catch (InternalError e) {
            fail(e);
        }
    }

    private void finish(DescriptorChain chain) {
        if (dead) {
            return;
        }
        try {
            boolean lacked = used.isKeeping();
            used.add(chain);
            if (used.isKeeping() && !lacked) {
                requests.tryMemoryOnceMore();
            }
        } catch (VirtqueueException e) {
            fail(e);
        }
    }

    /** How long until a notification that is held back is due, ns; at most this. */
    long dueNanos(long atMost) {
        return isServing() && used.isAttached() ? notification.dueNanos(atMost) : atMost;
    }

    /** Meets a request of control once nothing is out; polls nothing new until then. */
    private int settle(int wanted) throws VirtqueueException {
        requests.look(wanted);
        if (!dead) {
            used.showAll();
        }
        if (deferred > 0) {
            handler.letGo();
            return 0;
        }
        if (requests.isToStop()) {
            worker.remove(this);
            requests.stopped();
        } else if (!dead) {
            boolean isThere = queue.reattach();
            requests.reattached(isThere);
            used.reattached(isThere);
            if (used.isKeeping()) {
                requests.tryMemoryOnceMore(); // what said that memory is back may have been taken before the rings were
            }
            workerOnly = false;
            kicks.come();
        }
        requests.met(wanted);
        runtime.progress();
        return 1;
    }

    private void fail(Throwable cause) {
        dead = true;
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

    /** Called before the worker sleeps; true when there is work after all. */
    boolean enableKicks() {
        try {
            return isServing() && kicks.ask();
        } catch (Throwable t) {
            failed(t);
            return true;
        }
    }

    /** A descriptor that the handler waits for is ready. */
    void woken() {
        kicks.come();
    }

    /** A last look before sleeping, after the worker has said that it sleeps. */
    boolean hasPending() {
        return !completed.isEmpty()
                || requests.areDue(deferred > 0)
                || (kicks.arePending() || requests.isMemoryBack()) && isServing();
    }

    boolean isServing() {
        return requests.allowServing() && !dead;
    }
}
