package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_EVENT_IDX;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_INDIRECT_DESC;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_IN_ORDER;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_RING_PACKED;

import java.nio.ByteBuffer;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.dma.DmaAccess;
import org.virtiobackend.dma.DmaFaultException;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.dma.SegmentList;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Memory behind messages that cannot be reached just now, because control waits for the workers or it was unmapped. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class UnreachableMemoryTest implements DeviceEvents {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    /** In a range of its own. */
    private static final long DATA = 0x1_0000_0000L;

    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(20);
    /** More than a chain takes, all in all. */
    private static final int MOST_ACCESSES = 8;

    private static final int BUSY_ROUNDS = 400;
    private static final int LENGTH = 48;

    private final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    private final EchoDevice device = new EchoDevice();
    private final AtomicInteger notified = new AtomicInteger();
    private final DmaMap dmaMap = new DmaMap();
    private final DmaMap peer = new DmaMap();
    private final Messages messages = new Messages(peer);
    private SharedMemory memory;
    private SharedMemory data;
    private DriverVirtqueue driver;
    private DmaBuffer[][] in;
    private DmaBuffer[][] out;
    private WorkerPool pool;
    private DeviceRuntime runtime;
    private long pollMicros;
    /** Chains; indirect ones fill the ring. */
    private int batch = 5;

    private byte round;
    private int used;

    @AfterEach
    void close() {
        if (runtime != null) {
            runtime.awaitStopped();
        }
        pool.close();
        device.close();
        dmaMap.close();
        peer.close();
        memory.close();
        data.close();
    }

    @Override
    public void usedBufferNotification(int queue) {
        notified.incrementAndGet();
    }

    @Override
    public void needsReset(Throwable cause) {
        failure.complete(cause);
    }

    private void start(long features) throws Exception {
        memory = SharedMemory.create("rings", BYTES, BASE);
        data = SharedMemory.create("data", BYTES, DATA);
        peer.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        peer.map(DATA, BYTES, true, true, data.memFd().fd().duplicate(), 0);
        dmaMap.setRemoteMemory(messages);
        dmaMap.map(BASE, BYTES, true, true, null, 0);
        dmaMap.map(DATA, BYTES, true, true, null, 0);
        driver = (features & VIRTIO_F_RING_PACKED) != 0
                ? PackedDriverQueue.create(0, 16, features, memory)
                : SplitDriverQueue.create(0, 16, features, memory);
        QueueConfig config = new QueueConfig(0, 16, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        batch = (features & VIRTIO_F_INDIRECT_DESC) != 0 ? 16 : 5;
        in = new DmaBuffer[batch][];
        out = new DmaBuffer[batch][];
        for (int i = 0; i < batch; i++) {
            out[i] = new DmaBuffer[] {memory.allocate(LENGTH, 16)};
            in[i] = new DmaBuffer[] {(i % 2 == 0 ? memory : data).allocate(LENGTH, 16)};
        }
        pool = new WorkerPool(1, pollMicros);
        runtime = DeviceRuntime.start(device, features, new QueueConfig[] {config, null}, dmaMap::newSpace, pool, this);
        runtime.setQuiesceWaiter(messages::await);
        dmaMap.setUser(runtime);
    }

    private void submitBatch() {
        round++;
        used = 0;
        driver.enableInterrupts();
        for (int i = 0; i < batch; i++) {
            for (int k = 0; k < LENGTH; k++) {
                out[i][0].memory().put(out[i][0].offset() + k, (byte) (round + i + k));
            }
            assertTrue(driver.add(out[i], 1, in[i], 1) >= 0);
        }
        driver.publish();
        runtime.kick(0);
    }

    private void awaitBatch() {
        awaitUsed(batch);
        for (int i = 0; i < batch; i++) {
            checkEcho(i);
        }
        assertEquals(-1, driver.pollUsed(), "each chain once");
    }

    private void awaitUsed(int count) {
        await("a used buffer", () -> takeUsed() >= count);
        assertEquals(count, used);
    }

    /** Buffers of the batch that have come back so far. */
    private int takeUsed() {
        while (driver.pollUsed() >= 0) {
            assertEquals(LENGTH, driver.usedLength());
            used++;
        }
        return used;
    }

    private void await(String what, BooleanSupplier done) {
        long start = System.nanoTime();
        while (!done.getAsBoolean()) {
            assertFalse(failure.isDone(), () -> "device failed: " + failure.join());
            assertTrue(System.nanoTime() - start < PATIENCE_NANOS, what + " never came");
            Thread.onSpinWait();
        }
    }

    private void checkEcho(int i) {
        for (int k = 0; k < LENGTH; k++) {
            assertEquals((byte) (round + i + k), in[i][0].memory().get(in[i][0].offset() + k));
        }
    }

    /** Whatever the worker is at when control stops it: the batch is done afterwards, each chain once. */
    @ParameterizedTest
    @ValueSource(
            longs = {
                0,
                VIRTIO_F_EVENT_IDX,
                VIRTIO_F_IN_ORDER,
                VIRTIO_F_RING_PACKED,
                VIRTIO_F_RING_PACKED | VIRTIO_F_EVENT_IDX,
                VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER
            })
    void eachAccessMayBeTheOneThatHasToBeMadeAgain(long features) throws Exception {
        strikeAtEachAccess(features, false, () -> runtime.refreshMemory());
    }

    /** The answer is lost, not the message: a driver that sees used buffers goes on and uses their places in the ring again. */
    @ParameterizedTest
    @ValueSource(
            longs = {
                0,
                VIRTIO_F_EVENT_IDX,
                VIRTIO_F_INDIRECT_DESC,
                VIRTIO_F_RING_PACKED,
                VIRTIO_F_RING_PACKED | VIRTIO_F_INDIRECT_DESC,
                VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER
            })
    void eachAccessMayArriveThoughNobodyKnows(long features) throws Exception {
        strikeAtEachAccess(features, true, () -> runtime.refreshMemory());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER})
    void ringsMayGoAndComeBackAtEachAccess(long features) throws Exception {
        strikeAtEachAccess(features, false, () -> {
            dmaMap.unmap(BASE, BYTES);
            runtime.kick(0);
            runtime.refreshMemory();
            dmaMap.map(BASE, BYTES, true, true, null, 0);
        });
    }

    private interface Strike {
        void run() throws Exception;
    }

    private void strikeAtEachAccess(long features, boolean arrives, Strike strike) throws Exception {
        start(features);
        messages.arrives = arrives;
        for (boolean deferred : new boolean[] {false, true}) {
            device.deferWork = deferred;
            int struck = 0;
            for (int nth = 1; nth <= MOST_ACCESSES * batch; nth++) {
                int before = notified.get();
                messages.closeAt(nth);
                submitBatch();
                await("the nth access or the end", () -> messages.isClosed() || takeUsed() == batch);
                if (messages.isClosed() && takeUsed() == batch) {
                    awaitBatch();
                    submitBatch();
                }
                struck += messages.open() ? 1 : 0;
                strike.run();
                awaitBatch();
                await("a notification", () -> notified.get() > before);
            }
            assertTrue(struck > batch, struck + " accesses");
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void ringsThatComeBackAreServedAgain(long features) throws Exception {
        start(features);
        submitBatch();
        awaitBatch();
        dmaMap.unmap(BASE, BYTES);
        submitBatch();
        dmaMap.map(BASE, BYTES, true, true, null, 0);
        awaitBatch();
    }

    /** A mapped ring as well: nothing but the map itself says that it is there again. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void mappedRingsThatComeBackAreServedAgain(long features) throws Exception {
        start(features);
        dmaMap.unmap(BASE, BYTES);
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        submitBatch();
        awaitBatch();
        dmaMap.unmap(BASE, BYTES);
        submitBatch();
        dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        awaitBatch();
    }

    /** What was finished when its memory went stays until it comes back, and the other requests go on. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void finishedRequestsWaitForTheirMemoryAndHoldUpNoOthers(long features) throws Exception {
        start(features);
        device.deferWork = true; // all are taken before the first is finished
        messages.mapped = dmaMap;
        messages.going = DATA;
        submitBatch();
        await("a write", () -> messages.reached);
        dmaMap.unmap(DATA, BYTES);
        awaitUsed(batch / 2 + 1);
        checkEcho(0);
        checkEcho(2);
        checkEcho(4);
        assertEquals(-1, driver.pollUsed(), "the others have nowhere to go");
        dmaMap.map(DATA, BYTES, true, true, null, 0);
        awaitUsed(batch);
        checkEcho(1);
        checkEcho(3);
        assertFalse(failure.isDone());
    }

    /** The queue looks for its rings at the moment at which it is told that memory is there. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void finishedRequestsComeBackHoweverBusyTheWorkerIs(long features) throws Exception {
        pollMicros = -1;
        start(features);
        device.deferWork = true;
        for (int i = 0; i < BUSY_ROUNDS; i++) {
            messages.closeAt(batch * 2 + i % batch);
            submitBatch();
            await("an access or the end", () -> messages.isClosed() || takeUsed() == batch);
            messages.open();
            dmaMap.unmap(BASE, BYTES);
            dmaMap.map(BASE, BYTES, true, true, null, 0);
            awaitBatch();
        }
    }

    /** A peer that can be out of reach: what a session does while it waits for workers. */
    private static final class Messages implements RemoteMemory {
        private final DmaSpace space;
        private int left = Integer.MAX_VALUE;
        private boolean closed;
        /** Where an address has to be, or null. */
        private volatile DmaMap mapped;
        /** What is written from this address on has to wait until it is there no more. */
        private volatile long going = Long.MAX_VALUE;

        private volatile boolean reached;
        /** The access that closes is carried out. */
        private volatile boolean arrives;

        Messages(DmaMap peer) {
            space = peer.newSpace();
        }

        synchronized void closeAt(int nth) {
            left = nth;
        }

        private synchronized boolean isClosed() {
            return closed;
        }

        /** As a session waits for workers. */
        void await(BooleanSupplier done) {
            setClosed(true);
            while (!done.getAsBoolean()) {
                Thread.onSpinWait();
            }
            setClosed(false);
        }

        private synchronized void setClosed(boolean wanted) {
            closed = wanted;
        }

        /** Whether it was closed. */
        synchronized boolean open() {
            boolean was = closed;
            closed = false;
            left = Integer.MAX_VALUE;
            return was;
        }

        @Override
        public void read(long address, ByteBuffer target, int offset, int length) throws DmaFaultException {
            copy(address, target, offset, length, false);
        }

        @Override
        public void write(long address, ByteBuffer source, int offset, int length) throws DmaFaultException {
            if (address >= going && !reached) {
                reached = true;
                while (isMapped(address, length, DmaAccess.WRITE)) {
                    Thread.onSpinWait();
                }
            }
            copy(address, source, offset, length, true);
        }

        private boolean isMapped(long address, int length, DmaAccess access) {
            return mapped == null || mapped.presence(address, length, access) == DmaMap.Presence.REMOTE;
        }

        private synchronized void copy(long address, ByteBuffer own, int offset, int length, boolean out)
                throws DmaFaultException {
            boolean last = --left == 0;
            boolean there = isMapped(address, length, out ? DmaAccess.WRITE : DmaAccess.READ);
            if (last && arrives && there) {
                carryOut(address, own, offset, length, out);
            }
            closed |= last;
            if (closed || !there) {
                throw DmaFaultException.notNow("not now", address, length);
            }
            carryOut(address, own, offset, length, out);
        }

        private void carryOut(long address, ByteBuffer own, int offset, int length, boolean out)
                throws DmaFaultException {
            SegmentList segments = new SegmentList();
            space.map(address, length, out ? DmaAccess.WRITE : DmaAccess.READ, segments);
            if (out) {
                segments.buffer(0).put(segments.offset(0), own, offset, length);
            } else {
                own.put(offset, segments.buffer(0), segments.offset(0), length);
            }
        }
    }
}
