package org.virtiobackend.virtio.device.worker;

import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.DmaUser;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.PackedVirtqueue;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.SplitVirtqueue;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * One activation of one device, from DRIVER_OK to reset: its queues on their workers, and the rendezvous by which control takes
 * memory away from them. Control methods belong to one thread; {@link #kick} and {@link #fail} to any.
 */
public final class DeviceRuntime implements DeviceContext, DmaUser {
    private static final WakeUp[] NOTHING = {};

    private final long features;
    private final QueueConfig[] configs;
    private final Supplier<DmaSpace> spaces;
    private final WorkerPool pool;
    private final DeviceEvents events;
    /** Null where no queue lives; changed by control. */
    private final AtomicReferenceArray<QueueTask> tasks;

    private final QueueHandler[] handlers;
    private final WakeUp[][] wakeOn;
    private final QueueStatistics[] statistics;
    private final AtomicReferenceArray<Coalescing> coalescing;
    private final AtomicBoolean failed = new AtomicBoolean();
    private volatile boolean stopping;
    private final Rendezvous rendezvous = new Rendezvous();
    private volatile CommandThread commands = CommandThread.NONE;
    private boolean paused;
    private VirtqueueException attachFailure;

    private DeviceRuntime(
            long features,
            QueueConfig[] configs,
            Supplier<DmaSpace> spaces,
            WorkerPool pool,
            DeviceEvents events,
            QueueStatistics[] statistics) {
        this.features = features;
        this.configs = configs.clone();
        this.spaces = spaces;
        this.pool = pool;
        this.events = events;
        this.tasks = new AtomicReferenceArray<>(configs.length);
        this.handlers = new QueueHandler[configs.length];
        this.wakeOn = new WakeUp[configs.length][];
        this.statistics = statistics;
        this.coalescing = new AtomicReferenceArray<>(configs.length);
    }

    /**
     * Activates a device.
     *
     * @param queues what the driver set up; null for a queue that it did not enable
     * @param spaces gives each queue its memory
     * @param statistics counters to go on with, one per queue
     * @throws DeviceActivationException the device refuses, or a queue is nowhere it may be; nothing runs then
     */
    public static DeviceRuntime start(
            VirtioDevice device,
            long features,
            QueueConfig[] queues,
            Supplier<DmaSpace> spaces,
            WorkerPool pool,
            DeviceEvents events,
            QueueStatistics[] statistics)
            throws DeviceActivationException {
        DeviceRuntime runtime = new DeviceRuntime(features, queues, spaces, pool, events, statistics);
        try {
            device.activate(runtime);
            runtime.throwAttachFailure();
        } catch (DeviceActivationException | RuntimeException e) {
            runtime.forEach(task -> task.worker().forget());
            throw e;
        }
        runtime.forEach(task -> task.worker().add(task));
        return runtime;
    }

    /** As above with counters of its own. */
    public static DeviceRuntime start(
            VirtioDevice device,
            long features,
            QueueConfig[] queues,
            Supplier<DmaSpace> spaces,
            WorkerPool pool,
            DeviceEvents events)
            throws DeviceActivationException {
        return start(device, features, queues, spaces, pool, events, newStatistics(queues.length));
    }

    public static QueueStatistics[] newStatistics(int queues) {
        QueueStatistics[] all = new QueueStatistics[queues];
        for (int i = 0; i < queues; i++) {
            all[i] = new QueueStatistics();
        }
        return all;
    }

    /** How control waits for workers when it is also the one that workers wait for; null: it just waits. */
    public void setQuiesceWaiter(QuiesceWaiter newWaiter) {
        rendezvous.setWaiter(newWaiter);
    }

    /** Who may serve a queue right after its {@link #kick}. */
    public void setCommandThread(CommandThread newCommands) {
        commands = newCommands;
    }

    // ---- what the device sees

    @Override
    public long features() {
        return features;
    }

    @Override
    public int queueCount() {
        return configs.length;
    }

    @Override
    public boolean isEnabled(int queue) {
        return configs[queue] != null;
    }

    @Override
    public int queueSize(int queue) {
        return configs[queue].size();
    }

    @Override
    public void attach(int queue, QueueHandler handler, WakeUp... wakeUps) {
        handlers[queue] = handler;
        wakeOn[queue] = wakeUps.length == 0 ? NOTHING : wakeUps.clone();
        if (configs[queue] == null) {
            return;
        }
        QueueTask task = new QueueTask(this, queue, handler, wakeOn[queue], statistics[queue]);
        Coalescing lasting = coalescing.get(queue);
        if (lasting != null) {
            task.notification().coalesce(lasting);
        }
        try {
            Virtqueue live = newQueue(configs[queue], task);
            task.bind(live, pool.leastLoaded());
            tasks.set(queue, task);
            if (failed.get()) {
                task.die(); // only the reset of the whole device brings it back: virtio 1.4 2.1.2
            }
        } catch (VirtqueueException e) {
            attachFailure = e;
        }
    }

    @Override
    public void wake(int queue) {
        QueueTask task = tasks.get(queue);
        if (task != null) {
            task.wake();
        }
    }

    @Override
    public void coalesce(int queue, Coalescing wanted, boolean lasting) {
        if (lasting) {
            coalescing.set(queue, wanted);
        }
        QueueTask task = tasks.get(queue);
        if (task != null) {
            task.notification().coalesce(wanted);
            task.wake();
        }
    }

    @Override
    public Coalescing coalescing(int queue) {
        QueueTask task = tasks.get(queue);
        return task == null ? Coalescing.NONE : task.notification().coalescing();
    }

    @Override
    public void afterPresentWork(Runnable action) {
        Set<Worker> workers = Collections.newSetFromMap(new IdentityHashMap<>());
        forEach(task -> workers.add(task.worker()));
        AtomicInteger left = new AtomicInteger(workers.size());
        Runnable one = () -> {
            if (left.decrementAndGet() == 0) {
                action.run();
            }
        };
        workers.forEach(worker -> worker.betweenTurns(one));
    }

    @Override
    public void fail(Throwable cause) {
        if (failed.compareAndSet(false, true)) {
            forEach(QueueTask::die);
            // The end of the device cuts requests short that wait for the client's memory: nobody is to be told.
            if (!(stopping && cause instanceof VirtqueueException)) {
                events.needsReset(cause);
            }
        }
    }

    // ---- what the transport does

    /** Somebody made buffers of this queue available. */
    public void kick(int queue) {
        QueueTask task = tasks.get(queue);
        if (task != null) {
            task.kick(commands);
        }
    }

    /** Stops touching memory until {@link #resume}; returns when no worker does. */
    public void pause() {
        paused = true;
        quiesce();
    }

    public void resume() {
        paused = false;
        quiesce();
    }

    /** As {@link #pause} without waiting: {@link #isQuiet} tells when. */
    public void beginPause() {
        paused = true;
        forEach(task -> task.requests().quiet());
    }

    /** Whether every queue has met the last request: all chains are back, and nothing old is in use. */
    public boolean isQuiet() {
        return all(task -> task.requests().isQuiet());
    }

    /** Returns when every queue uses the newest mappings and nothing of the old ones; chains in flight finish first. */
    @Override
    public void refreshMemory() {
        quiesce();
    }

    /** Queues that lost their rings look for them again; returns at once. */
    @Override
    public void memoryAdded() {
        forEach(QueueTask::memoryAdded);
    }

    /** Takes no more chains; the runtime is stopped when those in flight are back. */
    public void beginStop() {
        stopping = true;
        forEach(task -> task.requests().stop());
    }

    public boolean isStopped() {
        return all(task -> task.requests().isStopped());
    }

    public void awaitStopped() {
        beginStop();
        await(this::isStopped);
        forEach(task -> task.worker().forget());
        for (int i = 0; i < tasks.length(); i++) {
            tasks.set(i, null);
        }
    }

    /** Takes no more chains of one queue; {@link #isQueueStopped} tells when those in flight are back. */
    public void beginStopQueue(int queue) {
        QueueTask task = tasks.get(queue);
        if (task != null) {
            task.requests().stop();
        }
    }

    public boolean isQueueStopped(int queue) {
        QueueTask task = tasks.get(queue);
        return task == null || task.requests().isStopped();
    }

    /** Ends one queue (virtio 1.4 2.6.1); returns when its chains are back. False when it was not live. */
    public boolean stopQueue(int queue) {
        QueueTask task = tasks.get(queue);
        if (task == null) {
            return false;
        }
        task.requests().stop();
        await(task.requests()::isStopped);
        task.worker().forget();
        tasks.set(queue, null);
        configs[queue] = null;
        forEach(other -> other.requests().memoryBack());
        return true;
    }

    /** Starts a queue that was not enabled before, or reset, with the handler that the device attached. */
    public void startQueue(QueueConfig config) throws DeviceActivationException {
        int queue = config.index();
        if (handlers[queue] == null || tasks.get(queue) != null) {
            throw new DeviceActivationException("queue " + queue + " cannot be started now");
        }
        configs[queue] = config;
        handlers[queue].restarted();
        attach(queue, handlers[queue], wakeOn[queue]);
        throwAttachFailure();
        QueueTask task = tasks.get(queue);
        task.requests().startPaused(paused);
        task.worker().add(task);
    }

    public QueueStatistics statistics(int queue) {
        return statistics[queue];
    }

    // ---- workers

    DeviceEvents events() {
        return events;
    }

    /** A worker has met a request. */
    void progress() {
        rendezvous.progress();
    }

    private void throwAttachFailure() throws DeviceActivationException {
        if (attachFailure != null) {
            VirtqueueException failure = attachFailure;
            attachFailure = null;
            throw new DeviceActivationException(failure.getMessage(), failure);
        }
    }

    private Virtqueue newQueue(QueueConfig config, QueueTask task) throws VirtqueueException {
        return (features & VirtioFeature.VIRTIO_F_RING_PACKED) != 0
                ? new PackedVirtqueue(config, features, spaces.get(), task)
                : new SplitVirtqueue(config, features, spaces.get(), task);
    }

    /** None goes on before all have let go: until then a worker gets nowhere with memory behind messages. */
    private void quiesce() {
        forEach(task -> task.requests().quiet());
        await(this::isQuiet);
        if (!paused) {
            forEach(task -> task.requests().goOn());
        }
    }

    private void await(BooleanSupplier done) {
        forEach(task -> task.requests().hurry());
        rendezvous.await(done);
    }

    private void forEach(Consumer<QueueTask> action) {
        for (int i = 0; i < tasks.length(); i++) {
            QueueTask task = tasks.get(i);
            if (task != null) {
                action.accept(task);
            }
        }
    }

    private boolean all(Predicate<QueueTask> test) {
        for (int i = 0; i < tasks.length(); i++) {
            QueueTask task = tasks.get(i);
            if (task != null && !test.test(task)) {
                return false;
            }
        }
        return true;
    }
}
