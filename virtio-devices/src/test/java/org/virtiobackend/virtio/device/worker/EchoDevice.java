package org.virtiobackend.virtio.device.worker;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Copies the readable part to the writable part: on the worker, or on another thread when told so. */
final class EchoDevice extends PlainDevice {
    private final ExecutorService elsewhere = Executors.newFixedThreadPool(2);
    volatile boolean deferWork;
    volatile long delayMicros;
    volatile RuntimeException throwThis;
    /** Thrown once the gate is open. */
    volatile VirtqueueException fault;

    volatile CountDownLatch gate = new CountDownLatch(0);
    /** Before a chain is completed. */
    volatile CountDownLatch echoGate = new CountDownLatch(0);

    /** Chains that have come there. */
    final AtomicInteger atGate = new AtomicInteger();

    volatile Error throwError;
    volatile int started;
    volatile boolean prompt;
    /** Whether the driver may be told late. */
    volatile boolean late;
    /** The queue that is served after notifications only, or -1. */
    volatile int notifiedQueue = -1;
    /** What the handler waits for, or null. */
    volatile EventFd waitFor;
    /** The thread that found it signalled. */
    volatile Thread woken;
    /** The thread that drained last. */
    volatile Thread drainer;
    /** Times that a second thread was found in the same queue. */
    final AtomicInteger collisions = new AtomicInteger();

    EchoDevice() {
        super(64, 64);
    }

    @Override
    public void activate(DeviceContext context) {
        for (int i = 0; i < context.queueCount(); i++) {
            if (context.isEnabled(i)) {
                WakeUp wakeUp = new WakeUp();
                context.attach(i, new Echo(i == notifiedQueue, wakeUp), wakeUp);
            }
        }
    }

    private final class Echo implements QueueHandler {
        private final AtomicInteger inside = new AtomicInteger();
        private final boolean awaitsNotification;
        private final WakeUp wakeUp;

        Echo(boolean awaitsNotification, WakeUp wakeUp) {
            this.awaitsNotification = awaitsNotification;
            this.wakeUp = wakeUp;
        }

        @Override
        public boolean awaitsNotification() {
            return awaitsNotification;
        }

        @Override
        public int drain(Virtqueue queue, int budget) throws VirtqueueException {
            if (inside.getAndIncrement() != 0) {
                collisions.incrementAndGet();
            }
            drainer = Thread.currentThread();
            arm();
            try {
                return EchoDevice.this.drain(queue, budget);
            } finally {
                inside.decrementAndGet();
            }
        }

        private void arm() {
            EventFd event = waitFor;
            wakeUp.disarm();
            if (event != null && event.drain() > 0) {
                woken = Thread.currentThread();
            } else if (event != null) {
                wakeUp.arm(event.fd(), WakeUp.READABLE);
            }
        }

        @Override
        public boolean isPrompt() {
            return prompt;
        }

        @Override
        public boolean mayNotifyLate() {
            return late;
        }
    }

    private static void pass(CountDownLatch gate) {
        try {
            gate.await();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int done = 0;
        while (done < budget) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                break;
            }
            done++;
            started = started + 1;
            if (fault != null) {
                pass(gate);
                throw fault;
            }
            if (throwThis != null) {
                throw throwThis;
            }
            if (throwError != null) {
                throw throwError;
            }
            if (deferWork) {
                chain.defer();
                elsewhere.execute(() -> echo(chain));
            } else {
                echo(chain);
            }
        }
        return done;
    }

    private void echo(DescriptorChain chain) {
        if (delayMicros > 0) {
            java.util.concurrent.locks.LockSupport.parkNanos(delayMicros * 1000);
        }
        CountDownLatch gateOfThis = echoGate;
        atGate.incrementAndGet();
        pass(gateOfThis);
        SegmentList from = chain.readable().segments();
        long length = Math.min(from.totalBytes(), chain.writable().capacity());
        for (int i = 0; i < from.count() && chain.writable().position() < length; i++) {
            int part = (int) Math.min(from.length(i), length - chain.writable().position());
            chain.writable().put(from.buffer(i), from.offset(i), part);
        }
        chain.complete(length);
    }

    @Override
    public void close() {
        elsewhere.shutdown();
        try {
            elsewhere.awaitTermination(5, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
