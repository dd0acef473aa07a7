package org.virtiobackend.virtio.pci;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.worker.CommandThread;
import org.virtiobackend.virtio.device.worker.DeviceEvents;
import org.virtiobackend.virtio.device.worker.DeviceRuntime;
import org.virtiobackend.virtio.device.worker.QueueStatistics;
import org.virtiobackend.virtio.device.worker.QuiesceWaiter;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * A device from DRIVER_OK to reset. Goes live only while the function is a bus master: it waits for that, and pauses
 * when it ends. Control thread, except for what running workers report.
 */
final class DeviceLifecycle {
    private static final Logger LOG = LoggerFactory.getLogger(DeviceLifecycle.class);

    /** How long control waits for workers before the driver has to. */
    private static final long GRACE_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    /** The same when the device is reset: drivers exist that do not read the status back, and workers that get no processor for a while. */
    private static final long RESET_GRACE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

    private static final long POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(50);
    /** Shortest time between two log lines that a driver can cause. */
    private static final long LOG_INTERVAL_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final VirtioDevice device;
    private final WorkerPool pool;
    private final StatusMachine status;
    private final VirtioInterrupts interrupts;
    private final QueueStatistics[] statistics;

    private DeviceRuntime runtime;
    private Events events;
    private Start waiting;
    private boolean stopping;
    private boolean busMaster;
    private boolean suspended;
    /** A configuration change that a suspended device must not tell; guarded by {@link #changes}, as telling is. */
    private boolean heldChange;

    private final Object changes = new Object();
    private QuiesceWaiter quiesceWaiter;
    private CommandThread commands = CommandThread.NONE;
    private final AtomicLong dmaFaults = new AtomicLong();
    private long nextLogNanos = System.nanoTime();

    /** What is needed to go live once the function may access memory. */
    private record Start(long features, QueueConfig[] queues, Supplier<DmaSpace> spaces) {}

    DeviceLifecycle(
            VirtioDevice device, int queues, WorkerPool pool, StatusMachine status, VirtioInterrupts interrupts) {
        this.device = device;
        this.pool = pool;
        this.status = status;
        this.interrupts = interrupts;
        this.statistics = DeviceRuntime.newStatistics(queues);
    }

    void setCommandThread(CommandThread newCommands) {
        commands = newCommands;
        if (runtime != null) {
            runtime.setCommandThread(newCommands);
        }
    }

    void setQuiesceWaiter(QuiesceWaiter waiter) {
        quiesceWaiter = waiter;
        if (runtime != null) {
            runtime.setQuiesceWaiter(waiter);
        }
    }

    QueueStatistics[] statistics() {
        return statistics.clone();
    }

    /** DRIVER_OK is set. */
    void goLive(long features, QueueConfig[] queues, Supplier<DmaSpace> spaces) {
        waiting = new Start(features, queues, spaces);
        startWhenAllowed();
    }

    private void startWhenAllowed() {
        if (waiting == null || !busMaster || suspended) {
            return;
        }
        Start start = waiting;
        waiting = null;
        events = new Events();
        try {
            runtime = DeviceRuntime.start(
                    device, start.features(), start.queues(), start.spaces(), pool, events, statistics);
            runtime.setQuiesceWaiter(quiesceWaiter);
            runtime.setCommandThread(commands);
        } catch (DeviceActivationException | RuntimeException e) {
            needsReset(e);
        }
    }

    /** Follows COMMAND.MASTER and the power state: without them memory is not touched. */
    void setBusMaster(boolean enabled) {
        busMaster = enabled;
        if (runtime == null) {
            startWhenAllowed();
        } else if (!enabled) {
            runtime.pause();
        } else if (!suspended) {
            runtime.resume();
        }
    }

    /** Begins to come to rest and waits a little; {@link #isQuiet} tells whether that was enough (virtio 1.4 3.4.2). */
    void beginSuspend() {
        suspended = true;
        if (runtime != null) {
            runtime.beginPause();
            awaitBriefly(GRACE_NANOS, runtime::isQuiet);
        }
    }

    /** Whether no worker touches memory and every chain is back, after {@link #beginSuspend}. */
    boolean isQuiet() {
        return runtime == null || runtime.isQuiet();
    }

    /** The device is at rest: the driver sees that, and hears nothing from now on. */
    void suspended() {
        synchronized (changes) {
            status.suspended();
        }
    }

    /** Runs again, and tells what was held back. */
    void resume() {
        suspended = false;
        synchronized (changes) {
            status.resumed();
            if (heldChange) {
                heldChange = false;
                interrupts.configChanged();
            }
        }
        setBusMaster(busMaster);
    }

    private static void awaitBriefly(long nanos, BooleanSupplier done) {
        long start = System.nanoTime();
        while (!done.getAsBoolean() && System.nanoTime() - start < nanos) {
            LockSupport.parkNanos(POLL_NANOS);
        }
    }

    /** A driver's notification; ignored while the device is not live (virtio 1.4 3.1.1). */
    void kick(int queue) {
        if (runtime != null && !stopping) {
            runtime.kick(queue);
        }
    }

    /** Returns when no worker uses memory mapped before. */
    void refreshMemory() {
        if (runtime != null) {
            runtime.refreshMemory();
        }
    }

    /** Memory has come: mapped, or a BAR that decodes. */
    void memoryAdded() {
        if (runtime != null) {
            runtime.memoryAdded();
        }
    }

    /** Begins a virtqueue reset and waits a little (virtio 1.4 2.6.1.1.1); {@link #endStopQueue} follows. */
    void beginStopQueue(int queue) {
        if (runtime != null) {
            runtime.beginStopQueue(queue);
            awaitBriefly(GRACE_NANOS, () -> runtime.isQueueStopped(queue));
        } else if (waiting != null) {
            waiting.queues()[queue] = null;
        }
    }

    boolean isQueueStopped(int queue) {
        return runtime == null || runtime.isQueueStopped(queue);
    }

    void endStopQueue(int queue) {
        if (runtime != null) {
            runtime.stopQueue(queue);
        }
    }

    /** Virtqueue re-enable (virtio 1.4 2.6.1.2). */
    void startQueue(QueueConfig config) {
        if (waiting != null) {
            waiting.queues()[config.index()] = config;
        }
        if (runtime != null) {
            try {
                runtime.startQueue(config);
            } catch (DeviceActivationException | RuntimeException e) {
                needsReset(e);
            }
        }
    }

    /** Begins to stop and waits a little; {@link #isStopping} tells whether that was not enough. */
    void beginStop() {
        waiting = null;
        if (runtime == null) {
            return;
        }
        stopping = true;
        runtime.beginStop();
        awaitBriefly(RESET_GRACE_NANOS, runtime::isStopped);
    }

    /** Whether chains are still in flight after {@link #beginStop}. */
    boolean isStopping() {
        return runtime != null && !runtime.isStopped();
    }

    /** Ends the activation, waiting as long as it takes. */
    void awaitStopped() {
        waiting = null;
        if (runtime != null) {
            runtime.awaitStopped();
            runtime = null;
        }
        if (events != null) {
            events.ended = true;
            events = null;
        }
        stopping = false;
        suspended = false;
        synchronized (changes) {
            heldChange = false;
        }
    }

    /**
     * The device changed its configuration; from any thread. Says nothing to a driver that is not there yet or gone, and
     * to one that suspended the device not before it resumes.
     */
    void configChanged() {
        synchronized (changes) {
            if (status.has(DeviceStatus.DRIVER_OK)) {
                interrupts.configChanged();
            } else if (status.has(DeviceStatus.SUSPEND)) {
                heldChange = true;
            }
        }
    }

    /** Times that a driver named memory which the device may not touch. Any thread. */
    long dmaFaults() {
        return dmaFaults.get();
    }

    private void needsReset(Throwable cause) {
        Throwable origin = cause.getCause() != null ? cause.getCause() : cause;
        boolean gone = false;
        if (origin instanceof VirtqueueException ring) {
            gone = ring.isPeerGone();
            if (ring.isDmaFault()) {
                dmaFaults.incrementAndGet();
            }
        }
        if (status.needsReset()) {
            if (!gone) {
                log(cause);
            }
            synchronized (changes) {
                if (!status.has(DeviceStatus.SUSPEND)) {
                    interrupts.configChanged(); // virtio 1.4 2.1.2
                }
            }
        }
    }

    private synchronized void log(Throwable cause) {
        long now = System.nanoTime();
        if (now - nextLogNanos >= 0) {
            nextLogNanos = now + LOG_INTERVAL_NANOS;
            boolean expected = cause.getStackTrace().length == 0 || cause instanceof DeviceActivationException;
            if (expected) {
                LOG.warn("device of type {} needs a reset: {}", device.deviceId(), cause.getMessage());
            } else {
                LOG.warn("device of type {} needs a reset", device.deviceId(), cause);
            }
        }
    }

    /** One activation's line to the driver; cut when the activation ends. */
    private final class Events implements DeviceEvents {
        private volatile boolean ended;

        @Override
        public void usedBufferNotification(int queue) {
            if (!ended) {
                interrupts.queueUsed(queue);
            }
        }

        @Override
        public void needsReset(Throwable cause) {
            if (!ended) {
                DeviceLifecycle.this.needsReset(cause);
            }
        }
    }
}
