package org.virtiobackend.conformance.mutation;

import static org.virtiobackend.devices.net.VirtioNet.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.conformance.NetUnderTest;
import org.virtiobackend.virtio.device.Coalescing;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/** Our network device with something between its handlers and its queues that changes what passes, in memory that is mapped. */
class BentNet extends NetUnderTest {
    // ---- to be overridden

    /** What the device takes for the driver's choice. */
    long features(long accepted) {
        return accepted;
    }

    /** Header and frame, before the device sees them; perhaps more than once. */
    void transmitted(Bytes bytes) {}

    /** Header and frame that the device has received, before the driver sees them. */
    void received(Bytes bytes) {}

    /** A command before the device sees it. */
    void commanded(Bytes command) {}

    /** What the device has answered, before the driver sees it. */
    void answered(Bytes command, Bytes answer) {}

    /** Which queue's handler serves a queue. */
    int handler(int queue) {
        return queue;
    }

    /** Whether a receive buffer comes back unused before each frame. */
    boolean wastesBuffers() {
        return false;
    }

    /** Whether frames that come for a queue under reset are kept for it. */
    boolean keepsFrames() {
        return false;
    }

    /** What was negotiated. */
    boolean has(long feature) {
        return (negotiated & feature) != 0;
    }

    boolean isMultiqueue() {
        return has(VIRTIO_NET_F_MQ | VIRTIO_NET_F_RSS);
    }

    // ---- between handlers and queues

    private volatile long negotiated;
    private volatile DescriptorChain wasted;

    private int controlQueue() {
        return isMultiqueue() ? 2 * PAIRS : 2;
    }

    @Override
    public VirtioDevice device(VirtioDevice block) {
        return new Between(super.device(block));
    }

    private final class Between implements VirtioDevice {
        private final VirtioDevice device;

        Between(VirtioDevice device) {
            this.device = device;
        }

        @Override
        public int deviceId() {
            return device.deviceId();
        }

        @Override
        public long offeredFeatures() {
            return device.offeredFeatures();
        }

        @Override
        public long withoutNeeds(long features) {
            return device.withoutNeeds(features);
        }

        @Override
        public int[] queueMaxSizes() {
            return device.queueMaxSizes();
        }

        @Override
        public boolean acceptFeatures(long features) {
            return device.acceptFeatures(BentNet.this.features(features));
        }

        @Override
        public DeviceConfig config() {
            return device.config();
        }

        @Override
        public void activate(DeviceContext context) throws DeviceActivationException {
            negotiated = context.features();
            device.activate(new Context(context));
        }

        @Override
        public void reset() {
            device.reset();
        }

        @Override
        public void close() {
            device.close();
        }
    }

    private final class Context implements DeviceContext {
        private final DeviceContext context;
        private final long features;
        private final Map<Integer, QueueHandler> handlers = new HashMap<>();

        Context(DeviceContext context) {
            this.context = context;
            this.features = BentNet.this.features(context.features());
        }

        @Override
        public long features() {
            return features;
        }

        @Override
        public int queueCount() {
            return context.queueCount();
        }

        @Override
        public boolean isEnabled(int queue) {
            return context.isEnabled(queue);
        }

        @Override
        public int queueSize(int queue) {
            return context.queueSize(queue);
        }

        @Override
        public void attach(int queue, QueueHandler handler, WakeUp... wakeOn) {
            handlers.put(queue, handler);
            context.attach(queue, new Handler(queue, handlers), wakeOn);
        }

        @Override
        public void wake(int queue) {
            context.wake(queue);
            if (handler(queue) != queue) {
                context.wake(handler(queue));
            }
        }

        @Override
        public void coalesce(int queue, Coalescing coalescing, boolean lasting) {
            context.coalesce(queue, coalescing, lasting);
        }

        @Override
        public Coalescing coalescing(int queue) {
            return context.coalescing(queue);
        }

        @Override
        public void afterPresentWork(Runnable action) {
            context.afterPresentWork(action);
        }

        @Override
        public void fail(Throwable cause) {
            context.fail(cause);
        }
    }

    private final class Handler implements QueueHandler {
        private final int queue;
        private final Map<Integer, QueueHandler> handlers;
        private final List<DescriptorChain> taken = new ArrayList<>();

        Handler(int queue, Map<Integer, QueueHandler> handlers) {
            this.queue = queue;
            this.handlers = handlers;
        }

        /** The queue's own while, or when, there is no other. */
        private QueueHandler handler() {
            return handlers.getOrDefault(BentNet.this.handler(queue), handlers.get(queue));
        }

        @Override
        public int drain(Virtqueue real, int budget) throws VirtqueueException, IOException {
            int work = handler().drain(new Queue(real, queue, taken), budget);
            int more = 0;
            for (DescriptorChain chain : taken) {
                if (more > 0) {
                    more--; // what follows of a frame has no header
                } else if (chain == wasted) {
                    wasted = null;
                } else if (queue == controlQueue()) {
                    answered(
                            new Bytes(chain.readable().segments()),
                            new Bytes(chain.writable().segments()));
                } else if (queue % 2 == 0) {
                    Bytes bytes = new Bytes(chain.writable().segments());
                    more = has(VIRTIO_NET_F_MRG_RXBUF) && bytes.length() >= 12 ? Math.max(0, bytes.get16(10) - 1) : 0;
                    received(bytes);
                }
            }
            taken.clear();
            return work;
        }

        @Override
        public boolean wantsKicks() {
            return handler().wantsKicks();
        }

        @Override
        public boolean awaitsNotification() {
            return handler().awaitsNotification();
        }

        @Override
        public void letGo() {
            handler().letGo();
        }

        @Override
        public void restarted() {
            if (!keepsFrames()) {
                handler().restarted();
            }
        }
    }

    /** Shows chains to the outside when they are polled. */
    private final class Queue implements Virtqueue {
        private final Virtqueue real;
        private final int queue;
        private final List<DescriptorChain> taken;

        Queue(Virtqueue real, int queue, List<DescriptorChain> taken) {
            this.real = real;
            this.queue = queue;
            this.taken = taken;
        }

        @Override
        public DescriptorChain poll() throws VirtqueueException {
            DescriptorChain chain = real.poll();
            if (chain == null) {
                return null;
            }
            boolean control = queue == controlQueue();
            if (!control && queue % 2 == 0 && wastesBuffers() && taken.isEmpty()) {
                wasted = chain;
                taken.add(chain);
                chain.complete(0);
                chain = real.poll();
                if (chain == null) {
                    return null;
                }
            }
            taken.add(chain);
            if (control) {
                commanded(new Bytes(chain.readable().segments()));
            } else if (queue % 2 == 1) {
                transmitted(new Bytes(chain.readable().segments()));
            }
            return chain;
        }

        @Override
        public void unpoll(DescriptorChain chain) {
            taken.remove(chain);
            real.unpoll(chain);
        }

        @Override
        public int index() {
            return real.index();
        }

        @Override
        public int size() {
            return real.size();
        }

        @Override
        public void addUsed(DescriptorChain chain, long written) throws VirtqueueException {
            real.addUsed(chain, written);
        }

        @Override
        public void publishUsed() throws VirtqueueException {
            real.publishUsed();
        }

        @Override
        public boolean driverWantsNotification() throws VirtqueueException {
            return real.driverWantsNotification();
        }

        @Override
        public boolean driverStillWantsNotification() throws VirtqueueException {
            return real.driverStillWantsNotification();
        }

        @Override
        public void suppressKicks() throws VirtqueueException {
            real.suppressKicks();
        }

        @Override
        public boolean enableKicks() throws VirtqueueException {
            return real.enableKicks();
        }

        @Override
        public boolean enableKicksForMore() throws VirtqueueException {
            return real.enableKicksForMore();
        }

        @Override
        public boolean hasAvailable() {
            return real.hasAvailable();
        }

        @Override
        public boolean isRemote() {
            return real.isRemote();
        }

        @Override
        public int inFlight() {
            return real.inFlight();
        }

        @Override
        public boolean reattach() {
            return real.reattach();
        }

        @Override
        public boolean isHeldBack() {
            return real.isHeldBack();
        }

        @Override
        public boolean holdsCopies() {
            return real.holdsCopies();
        }

        @Override
        public boolean memoryIsIntact() {
            return real.memoryIsIntact();
        }
    }
}
