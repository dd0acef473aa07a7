package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.worker.DeviceEvents;
import org.virtiobackend.virtio.device.worker.DeviceRuntime;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A block device that runs on a worker, and a driver in the test's thread; requests can be cut into buffers anyhow. */
final class BlkFixture implements AutoCloseable {
    static final long BASE = 0x4000_0000L;
    static final long MEMORY_BYTES = 16L << 20;
    static final int QUEUE_SIZE = 256;
    static final long RING_FEATURES =
            VirtioFeature.VIRTIO_F_VERSION_1 | VirtioFeature.VIRTIO_F_INDIRECT_DESC | VirtioFeature.VIRTIO_F_EVENT_IDX;

    final BlockBackend backend;
    final IoPool ioPool = new IoPool(2);
    final VirtioBlkDevice device;
    final SharedMemory memory;
    final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    SplitDriverQueue queue;
    DeviceRuntime runtime;
    private final DmaMap dmaMap = new DmaMap();
    private final WorkerPool workers;
    private final boolean spinning;

    /** What the driver gets back: the writable bytes, and how many of them the device said it wrote. */
    record Reply(byte[] bytes, long usedLength) {
        int status() {
            return bytes[bytes.length - 1];
        }

        byte[] data() {
            return Arrays.copyOf(bytes, bytes.length - 1);
        }
    }

    /** Starts with all features that the device offers. */
    BlkFixture(BlockBackend backend, BlkSettings settings) throws Exception {
        this(backend, settings, -1L, WorkerPool.ADAPTIVE);
    }

    /** @param accept of the device's features, those to accept */
    BlkFixture(BlockBackend backend, BlkSettings settings, long accept, long pollMicros) throws Exception {
        this.backend = backend;
        this.spinning = pollMicros == WorkerPool.ALWAYS;
        this.device = new VirtioBlkDevice(backend, ioPool, settings);
        this.memory = SharedMemory.create("blk-test", MEMORY_BYTES, BASE);
        this.workers = new WorkerPool(1, pollMicros);
        dmaMap.map(BASE, MEMORY_BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        start(device.offeredFeatures() & accept);
    }

    void start(long features) throws Exception {
        long all = features | RING_FEATURES;
        assertTrue(device.acceptFeatures(all));
        queue = SplitDriverQueue.create(0, QUEUE_SIZE, all, memory);
        queue.disableInterrupts();
        QueueConfig config =
                new QueueConfig(0, QUEUE_SIZE, queue.queueDesc(), queue.queueDriver(), queue.queueDevice());
        QueueConfig[] configs = new QueueConfig[device.queueMaxSizes().length];
        configs[0] = config;
        DeviceEvents events = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int index) {}

            @Override
            public void needsReset(Throwable cause) {
                failure.complete(cause);
            }
        };
        runtime = DeviceRuntime.start(device, all, configs, dmaMap::newSpace, workers, events);
        dmaMap.setUser(runtime);
    }

    void reset() {
        runtime.awaitStopped();
        device.reset();
        queue.release(memory);
    }

    /** Serves one request; the cuts are lengths of descriptors, what they leave over is the last one. */
    Reply request(byte[] readable, int[] readableCuts, int writableBytes, int... writableCuts) throws Exception {
        List<DmaBuffer> in = buffers(readable.length, readableCuts);
        List<DmaBuffer> out = buffers(writableBytes, writableCuts);
        int at = 0;
        for (DmaBuffer buffer : in) {
            buffer.memory().put(buffer.offset(), readable, at, buffer.length());
            at += buffer.length();
        }
        for (DmaBuffer buffer : out) {
            for (int i = 0; i < buffer.length(); i++) {
                buffer.memory().put(buffer.offset() + i, (byte) 0xee);
            }
        }
        int token = queue.add(in.toArray(DmaBuffer[]::new), in.size(), out.toArray(DmaBuffer[]::new), out.size());
        assertTrue(token >= 0, "room in the ring");
        publish();
        awaitUsed();
        byte[] reply = new byte[writableBytes];
        at = 0;
        for (DmaBuffer buffer : out) {
            buffer.memory().get(buffer.offset(), reply, at, buffer.length());
            at += buffer.length();
        }
        in.forEach(memory::free);
        out.forEach(memory::free);
        return new Reply(reply, queue.usedLength());
    }

    /** A request in its usual framing: header, data out, data in, status. */
    Reply request(int type, long sector, byte[] dataOut, int dataIn) throws Exception {
        byte[] readable = concat(header(type, sector), dataOut);
        return request(readable, new int[] {VirtioBlk.HEADER_BYTES}, dataIn + 1, dataIn > 0 ? dataIn : 1);
    }

    void publish() {
        queue.publish();
        if (!spinning && queue.deviceWantsKick()) {
            runtime.kick(0);
        }
    }

    /** Waits for the next used buffer and returns its token. */
    int awaitUsed() throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        int token = queue.pollUsed();
        while (token < 0) {
            if (failure.isDone()) {
                throw new AssertionError("the device failed", failure.get());
            }
            assertTrue(System.nanoTime() < deadline, "an answer in time");
            Thread.onSpinWait();
            token = queue.pollUsed();
        }
        return token;
    }

    private List<DmaBuffer> buffers(int total, int... cuts) {
        List<DmaBuffer> buffers = new ArrayList<>();
        int left = total;
        for (int i = 0; left > 0; i++) {
            int length = i < cuts.length ? Math.min(cuts[i], left) : left;
            buffers.add(memory.allocate(length, 1));
            left -= length;
        }
        return buffers;
    }

    static byte[] header(int type, long sector) {
        return ByteBuffer.allocate(VirtioBlk.HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .array();
    }

    static byte[] range(long sector, long sectors, int flags) {
        return ByteBuffer.allocate(VirtioBlk.RANGE_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(sector)
                .putInt((int) sectors)
                .putInt(flags)
                .array();
    }

    static byte[] concat(byte[]... parts) {
        int length = Arrays.stream(parts).mapToInt(p -> p.length).sum();
        ByteBuffer all = ByteBuffer.allocate(length);
        Arrays.stream(parts).forEach(all::put);
        return all.array();
    }

    @Override
    public void close() {
        runtime.awaitStopped();
        device.reset();
        device.close();
        workers.close();
        ioPool.close();
        dmaMap.close();
        memory.close();
        backend.close();
    }
}
