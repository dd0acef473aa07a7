package org.virtiobackend.virtio.queue.bench;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.ChainCompletion;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.PackedVirtqueue;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.SplitVirtqueue;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** What a request of three descriptors costs in the ring: driver and device side, no payload, one thread. Run with -Pjmh. */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class RingBenchmark {
    private static final long BASE = 1L << 32;
    private static final long BYTES = 1 << 20;
    private static final int SIZE = 256;
    private static final int BATCH = 32;

    @Param({"split", "packed"})
    public String layout;

    @Param({"direct", "indirect"})
    public String descriptors;

    @Param({"any", "in"})
    public String order;

    private final DmaMap map = new DmaMap();
    private SharedMemory memory;
    private DriverVirtqueue driver;
    private Virtqueue device;
    private DmaBuffer[] readable;
    private DmaBuffer[] writable;

    @Setup(Level.Trial)
    public void setUp() throws Exception {
        memory = SharedMemory.create("jmh", BYTES, BASE);
        map.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        boolean packed = layout.equals("packed");
        long features = VirtioFeature.VIRTIO_F_EVENT_IDX
                | (descriptors.equals("indirect") ? VirtioFeature.VIRTIO_F_INDIRECT_DESC : 0)
                | (order.equals("in") ? VirtioFeature.VIRTIO_F_IN_ORDER : 0)
                | (packed ? VirtioFeature.VIRTIO_F_RING_PACKED : 0);
        driver = packed
                ? PackedDriverQueue.create(0, SIZE, features, memory)
                : SplitDriverQueue.create(0, SIZE, features, memory);
        QueueConfig config = new QueueConfig(0, SIZE, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        ChainCompletion nobody = new ChainCompletion() {
            @Override
            public void completed(DescriptorChain chain) {}

            @Override
            public void deferred(DescriptorChain chain) {}
        };
        device = packed
                ? new PackedVirtqueue(config, features, map.newSpace(), nobody)
                : new SplitVirtqueue(config, features, map.newSpace(), nobody);
        readable = new DmaBuffer[] {memory.allocate(16, 16)};
        writable = new DmaBuffer[] {memory.allocate(4096, 4096), memory.allocate(1, 1)};
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        map.close();
        memory.close();
    }

    /** One request there and back, published and looked at by itself. */
    @Benchmark
    public int one() throws VirtqueueException {
        return requests(1);
    }

    /** A batch of 32; the figure is for the batch. */
    @Benchmark
    public int batchOf32() throws VirtqueueException {
        return requests(BATCH);
    }

    private int requests(int count) throws VirtqueueException {
        for (int i = 0; i < count; i++) {
            driver.add(readable, 1, writable, 2);
        }
        driver.publish();
        boolean kick = driver.deviceWantsKick();
        DescriptorChain chain;
        while ((chain = device.poll()) != null) {
            device.addUsed(chain, 4097);
        }
        device.publishUsed();
        boolean notify = device.driverWantsNotification();
        int tokens = 0;
        for (int token = driver.pollUsed(); token >= 0; token = driver.pollUsed()) {
            tokens += token;
        }
        return tokens + (kick ? 1 : 0) + (notify ? 1 : 0);
    }
}
