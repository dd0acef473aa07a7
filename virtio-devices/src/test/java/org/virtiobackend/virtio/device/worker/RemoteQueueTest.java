package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.DeviceContext;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.VirtioDevice;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A queue that is reached by messages, queue 0, beside one that is mapped, on one worker. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class RemoteQueueTest {
    private static final long BASE = 0x8000_0000L;
    private static final long REMOTE_BASE = 0x1_0000_0000L;
    private static final long BYTES = 1 << 20;
    private static final int SIZE = 64;

    private final EchoDevice device = new EchoDevice();
    private final DmaMap dmaMap = new DmaMap();
    /** What the client has mapped itself. */
    private final DmaMap peer = new DmaMap();

    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    private final SharedMemory[] memories = new SharedMemory[2];
    private final DriverVirtqueue[] drivers = new DriverVirtqueue[2];
    private final DmaBuffer[][] out = new DmaBuffer[2][];
    private final DmaBuffer[][] in = new DmaBuffer[2][];
    private EventFd source;
    private WorkerPool pool;
    private DeviceRuntime runtime;

    @BeforeEach
    void setUp() throws Exception {
        source = EventFd.create();
        memories[0] = SharedMemory.create("remote-test", BYTES, REMOTE_BASE);
        memories[1] = SharedMemory.create("mapped-test", BYTES, BASE);
        peer.map(REMOTE_BASE, BYTES, true, true, memories[0].memFd().fd().duplicate(), 0);
        dmaMap.setRemoteMemory(new Messages(peer.newSpace()));
        dmaMap.map(REMOTE_BASE, BYTES, true, true, null, 0);
        dmaMap.map(BASE, BYTES, true, true, memories[1].memFd().fd().duplicate(), 0);
    }

    @AfterEach
    void tearDown() {
        runtime.awaitStopped();
        pool.close();
        device.close();
        dmaMap.close();
        peer.close();
        memories[0].close();
        memories[1].close();
        source.close();
    }

    private void start(long features, long pollMicros) throws Exception {
        start(device, features, pollMicros);
    }

    private void start(VirtioDevice served, long features, long pollMicros) throws Exception {
        QueueConfig[] configs = new QueueConfig[drivers.length];
        for (int i = 0; i < drivers.length; i++) {
            SharedMemory memory = memories[i];
            DriverVirtqueue driver = (features & VirtioFeature.VIRTIO_F_RING_PACKED) != 0
                    ? PackedDriverQueue.create(i, SIZE, features, memory)
                    : SplitDriverQueue.create(i, SIZE, features, memory);
            configs[i] = new QueueConfig(i, SIZE, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
            drivers[i] = driver;
            out[i] = new DmaBuffer[] {memory.allocate(64, 16)};
            in[i] = new DmaBuffer[] {memory.allocate(64, 16)};
        }
        pool = new WorkerPool(1, pollMicros);
        DeviceEvents events = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int queue) {}

            @Override
            public void needsReset(Throwable cause) {
                failure.complete(cause);
            }
        };
        runtime = DeviceRuntime.start(served, features, configs, dmaMap::newSpace, pool, events);
    }

    private void submit(int queue) {
        assertTrue(drivers[queue].add(out[queue], 1, in[queue], 1) >= 0);
        drivers[queue].publish();
        if (drivers[queue].deviceWantsKick()) {
            runtime.kick(queue);
        }
    }

    private void awaitUsed(int queue) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (drivers[queue].pollUsed() < 0) {
            assertFalse(failure.isDone());
            assertTrue(System.nanoTime() < deadline, "queue " + queue + ": used in time");
            Thread.onSpinWait();
        }
    }

    /** Nobody looks at such a ring without a kick: a driver that is told not to kick would wait for ever. */
    @ParameterizedTest
    @CsvSource({
        "false, false, -2", "false, true, -2", "true, false, -2", "true, true, -2",
        "false, false, -1", "false, true, -1", "true, false, -1", "true, true, -1",
        "false, false, 0", "false, true, 0", "true, false, 0", "true, true, 0",
        "false, false, 1000000000", "false, true, 1000000000", "true, false, 1000000000", "true, true, 1000000000"
    })
    void isServedHoweverItsWorkerWaits(boolean packed, boolean eventIdx, long pollMicros) throws Exception {
        start(
                (packed ? VirtioFeature.VIRTIO_F_RING_PACKED : 0) | (eventIdx ? VirtioFeature.VIRTIO_F_EVENT_IDX : 0),
                pollMicros);
        for (int i = 0; i < 100; i++) {
            int burst = 1 + i % 5;
            for (int n = 0; n < burst; n++) {
                submit(0);
                submit(1);
            }
            for (int n = 0; n < burst; n++) {
                awaitUsed(0);
                awaitUsed(1);
            }
        }
        assertEquals(0, device.collisions.get());
    }

    /** What is too little for the handler is no reason to look again: each look would be messages. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void isLeftAloneWhileItsHandlerNeedsMore(boolean packed, boolean eventIdx) throws Exception {
        Three three = new Three();
        start(
                three,
                (packed ? VirtioFeature.VIRTIO_F_RING_PACKED : 0) | (eventIdx ? VirtioFeature.VIRTIO_F_EVENT_IDX : 0),
                WorkerPool.ALWAYS);
        for (int round = 0; round < 20; round++) {
            submit(0);
            submit(0);
            roundTrips(3); // the worker has seen both
            int looks = three.looks;
            roundTrips(20);
            assertEquals(looks, three.looks);
            submit(0);
            for (int i = 0; i < 3; i++) {
                awaitUsed(0);
            }
        }
    }

    /** A descriptor is all that such a queue has to wait for, and its worker never sleeps: it polls, or has a busy neighbour. */
    @ParameterizedTest
    @CsvSource({"-1, false", "1000000000, false", "0, true", "-2, true"})
    void hearsOfItsDescriptorWhileTheWorkerIsAwake(long pollMicros, boolean busy) throws Exception {
        start(new Fed(source, busy), 0, pollMicros);
        for (int i = 0; i < 10; i++) {
            submit(0);
        }
        for (int i = 0; i < 10; i++) {
            roundTrips(3); // the worker has seen the buffers, and waits for what to do with them
            source.signal();
            awaitUsed(0);
        }
    }

    /** Queue 0 is served a chain for each event, queue 1 always. */
    private static final class Fed extends PlainDevice {
        private final EventFd source;
        private final boolean busy;

        Fed(EventFd source, boolean busy) {
            super(SIZE, SIZE);
            this.source = source;
            this.busy = busy;
        }

        @Override
        public void activate(DeviceContext context) {
            WakeUp wakeUp = new WakeUp();
            QueueHandler fed = new QueueHandler() {
                @Override
                public int drain(Virtqueue queue, int budget) throws VirtqueueException {
                    wakeUp.disarm();
                    DescriptorChain chain = queue.poll();
                    if (chain == null) {
                        return 0;
                    }
                    if (source.drain() == 0) {
                        queue.unpoll(chain);
                        wakeUp.arm(source.fd(), WakeUp.READABLE);
                        return 0;
                    }
                    chain.complete(0);
                    return 1;
                }

                @Override
                public boolean wantsKicks() {
                    return !wakeUp.isArmed();
                }
            };
            context.attach(0, fed, wakeUp);
            context.attach(1, (queue, budget) -> {
                DescriptorChain chain = queue.poll();
                if (chain != null) {
                    chain.complete(0);
                }
                return chain != null || busy ? 1 : 0;
            });
        }
    }

    private void roundTrips(int count) {
        for (int i = 0; i < count; i++) {
            submit(1);
            awaitUsed(1);
        }
    }

    /** Queue 0 is served three chains at a time, queue 1 one. */
    private static final class Three extends PlainDevice {
        volatile int looks;

        Three() {
            super(SIZE, SIZE);
        }

        @Override
        public void activate(DeviceContext context) {
            context.attach(0, new QueueHandler() {
                private boolean starved;

                @Override
                public int drain(Virtqueue queue, int budget) throws VirtqueueException {
                    looks++;
                    return takeThree(queue);
                }

                private int takeThree(Virtqueue queue) throws VirtqueueException {
                    Deque<DescriptorChain> chains = new ArrayDeque<>();
                    for (DescriptorChain chain; chains.size() < 3 && (chain = queue.poll()) != null; ) {
                        chains.add(chain);
                    }
                    starved = chains.size() < 3;
                    while (starved && !chains.isEmpty()) {
                        queue.unpoll(chains.pollLast());
                    }
                    chains.forEach(chain -> chain.complete(0));
                    return chains.size();
                }

                @Override
                public boolean needsMore() {
                    return starved;
                }
            });
            context.attach(1, (queue, budget) -> {
                DescriptorChain chain = queue.poll();
                if (chain == null) {
                    return 0;
                }
                chain.complete(0);
                return 1;
            });
        }
    }

    /** The client's side. */
    private static final class Messages implements RemoteMemory {
        private final DmaSpace space;
        private final SegmentList segments = new SegmentList();

        Messages(DmaSpace space) {
            this.space = space;
        }

        @Override
        public void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException {
            map(address, length, DmaAccess.READ);
            target.put(offset, segments.buffer(0), segments.offset(0), length);
        }

        @Override
        public void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException {
            map(address, length, DmaAccess.WRITE);
            segments.buffer(0).put(segments.offset(0), source, offset, length);
        }

        private void map(long address, int length, DmaAccess access) throws DmaFaultException {
            segments.clear();
            space.map(address, length, access, segments);
        }
    }
}
