package org.virtiobackend.virtio.pci;

import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.function.LongPredicate;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Echoes the readable part of a chain into its writable part, or keeps the chains when told to. Refuses and fails on
 * demand.
 */
public final class TestDevice implements VirtioDevice {
    public static final int ID = 42;
    public static final long FEATURE_A = 1L;
    public static final long FEATURE_B = 1L << 20;
    public static final long FEATURE_HIGH = 1L << 55;

    public final BlockingQueue<DescriptorChain> held = new LinkedBlockingQueue<>();
    public volatile boolean hold;
    private final Set<DescriptorChain> outstanding = ConcurrentHashMap.newKeySet();
    public volatile LongPredicate accept = features -> true;
    public volatile DeviceActivationException failActivation;
    public volatile DeviceContext context;
    public volatile long activatedWith;
    public volatile int activations;
    public volatile int resets;
    public volatile boolean closed;

    private final DeviceConfig config = new DeviceConfig(16).allowWrites(8, 4);
    private final int[] queueMaxSizes;

    public TestDevice(int... queueMaxSizes) {
        this.queueMaxSizes = queueMaxSizes;
        config.set(0, 8, 0x1122_3344_5566_7788L);
        config.set(8, 4, 0xcafe_f00dL);
        config.set(12, 4, 0x0bad_beefL);
    }

    @Override
    public int deviceId() {
        return ID;
    }

    @Override
    public long offeredFeatures() {
        return FEATURE_A | FEATURE_B | FEATURE_HIGH;
    }

    /** FEATURE_HIGH needs FEATURE_B, which needs FEATURE_A. */
    @Override
    public long withoutNeeds(long features) {
        return ((features & FEATURE_A) == 0 ? features & FEATURE_B : 0)
                | ((features & FEATURE_B) == 0 ? features & FEATURE_HIGH : 0);
    }

    @Override
    public int[] queueMaxSizes() {
        return queueMaxSizes;
    }

    @Override
    public boolean acceptFeatures(long features) {
        return accept.test(features);
    }

    @Override
    public DeviceConfig config() {
        return config;
    }

    @Override
    public void activate(DeviceContext newContext) throws DeviceActivationException {
        activations++;
        if (failActivation != null) {
            throw failActivation;
        }
        context = newContext;
        activatedWith = newContext.features();
        for (int queue = 0; queue < newContext.queueCount(); queue++) {
            if (newContext.isEnabled(queue)) {
                newContext.attach(queue, this::drain);
            }
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
            if (hold) {
                chain.defer();
                outstanding.add(chain);
                held.add(chain);
            } else {
                echo(chain);
            }
        }
        return done;
    }

    /** Completes a held chain; once, however often it is called. */
    public void finish(DescriptorChain chain) {
        if (outstanding.remove(chain)) {
            chain.complete(0);
        }
    }

    /** Completes every chain that a test left behind. */
    public void finishAll() {
        hold = false;
        outstanding.forEach(this::finish);
    }

    private static void echo(DescriptorChain chain) {
        SegmentList from = chain.readable().segments();
        long length = Math.min(from.totalBytes(), chain.writable().capacity());
        for (int i = 0; i < from.count() && chain.writable().position() < length; i++) {
            int part = (int) Math.min(from.length(i), length - chain.writable().position());
            chain.writable().put(from.buffer(i), from.offset(i), part);
        }
        chain.complete(length);
    }

    @Override
    public void reset() {
        resets++;
        context = null;
    }

    @Override
    public void close() {
        closed = true;
    }
}
