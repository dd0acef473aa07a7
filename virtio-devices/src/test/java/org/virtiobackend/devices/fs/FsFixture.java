package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.fs.FsSettings.Notifications;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseDriver;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.driver.FuseNotifications;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.devices.fs.passthrough.PassthroughServer;
import org.virtiobackend.devices.fs.passthrough.SharedDirectory;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.worker.CommandThread;
import org.virtiobackend.virtio.device.worker.DeviceEvents;
import org.virtiobackend.virtio.device.worker.DeviceRuntime;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A file system device on a real directory, running on a worker, and a driver in the test's thread. */
final class FsFixture implements AutoCloseable {
    private static final int ANSWER_SECONDS = 20;
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_RDWR = 2;
    static final long ROOT = 1;

    private static final long BASE = 0x4000_0000L;
    private static final long MEMORY_BYTES = 32L << 20;
    static final int QUEUE_SIZE = 128;
    private static final long FEATURES =
            VirtioFeature.VIRTIO_F_VERSION_1 | VirtioFeature.VIRTIO_F_INDIRECT_DESC | VirtioFeature.VIRTIO_F_EVENT_IDX;

    final SharedDirectory directory;
    final PassthroughServer server;
    final VirtioFsDevice device;
    final FuseDriver hiprio;
    final FuseDriver requests;
    /** Null when they were not accepted. */
    final FuseNotifications notifications;

    final SharedMemory memory;
    final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    final IoPool ioPool = new IoPool(2);
    private final DmaMap dmaMap = new DmaMap();
    private final WorkerPool workers;
    private final DeviceRuntime runtime;
    private final SplitDriverQueue requestQueue;
    private final int requestIndex;
    ByteOrder order = ByteOrder.LITTLE_ENDIAN;

    /** A session has begun, with everything that the server offers. */
    FsFixture(Path root, PassthroughOptions options) throws Exception {
        this(root, options, 1);
    }

    FsFixture(Path root, PassthroughOptions options, int workerCount) throws Exception {
        this(root, options, workerCount, Notifications.NONE, false);
    }

    /** With a worker that sleeps whenever it can, in whose place another thread may serve. */
    FsFixture(Path root, PassthroughOptions options, CommandThread commands) throws Exception {
        this(root, options, new WorkerPool(1, 0), Notifications.NONE, false);
        runtime.setCommandThread(commands);
    }

    /** @param accept whether the driver wants the notifications that the device offers */
    FsFixture(Path root, PassthroughOptions options, int workerCount, Notifications offer, boolean accept)
            throws Exception {
        this(root, options, new WorkerPool(workerCount, WorkerPool.ADAPTIVE), offer, accept);
    }

    private FsFixture(Path root, PassthroughOptions options, WorkerPool workers, Notifications offer, boolean accept)
            throws Exception {
        this.workers = workers;
        directory = SharedDirectory.open(root.toString(), options);
        server = directory.newServer();
        device = new VirtioFsDevice(server, ioPool, new FsSettings("test", 1, QUEUE_SIZE, offer));
        memory = SharedMemory.create("fs-test", MEMORY_BYTES, BASE);
        dmaMap.map(BASE, MEMORY_BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        long features = FEATURES | (accept ? VirtioFsDevice.VIRTIO_FS_F_NOTIFICATION : 0);
        assertTrue(device.acceptFeatures(features));
        int count = device.queueMaxSizes().length;
        SplitDriverQueue[] queues = new SplitDriverQueue[count];
        QueueConfig[] configs = new QueueConfig[count];
        for (int i = 0; i < count; i++) {
            SplitDriverQueue queue = SplitDriverQueue.create(i, QUEUE_SIZE, FEATURES, memory);
            queue.disableInterrupts();
            queues[i] = queue;
            configs[i] = new QueueConfig(i, QUEUE_SIZE, queue.queueDesc(), queue.queueDriver(), queue.queueDevice());
        }
        DeviceEvents events = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int index) {}

            @Override
            public void needsReset(Throwable cause) {
                failure.complete(cause);
            }
        };
        runtime = DeviceRuntime.start(device, features, configs, dmaMap::newSpace, workers, events);
        dmaMap.setUser(runtime);
        hiprio = new FuseDriver(queues[0], memory, () -> runtime.kick(0));
        requestIndex = accept ? 2 : 1;
        requestQueue = queues[requestIndex];
        requests = new FuseDriver(requestQueue, memory, () -> runtime.kick(requestIndex));
        notifications = accept ? new FuseNotifications(queues[1], memory, () -> runtime.kick(1)) : null;
        assertEquals(0, init(7, 46, -1L).error());
    }

    FuseMessage message(int opcode, long nodeId) {
        return new FuseMessage(opcode, nodeId, order);
    }

    FuseAnswer init(int major, int minor, long flags) throws Exception {
        FuseMessage init = message(FUSE_INIT, 0)
                .u32(major)
                .u32(minor)
                .u32(1 << 20)
                .u32(flags)
                .u32(flags >>> 32);
        for (int i = 0; i < 11; i++) {
            init.u32(0);
        }
        return call(init, 64);
    }

    /** Sends a request on the request queue and waits for its answer. */
    FuseAnswer call(FuseMessage message, int replyBytes) throws Exception {
        return call(message, replyBytes, ANSWER_SECONDS);
    }

    FuseAnswer call(FuseMessage message, int replyBytes, int seconds) throws Exception {
        long unique = requests.send(message, replyBytes);
        FuseAnswer answer = await(requests, seconds);
        if (answer.length() > 0) {
            assertEquals(unique, answer.unique());
            assertEquals(answer.usedLength(), answer.length());
        }
        return answer;
    }

    FuseAnswer await(FuseDriver driver) {
        return await(driver, ANSWER_SECONDS);
    }

    private FuseAnswer await(FuseDriver driver, int seconds) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds);
        FuseAnswer answer = driver.poll();
        while (answer == null) {
            if (failure.isDone()) {
                throw new AssertionError("the device failed", failure.join());
            }
            assertTrue(System.nanoTime() < deadline, "an answer in time");
            Thread.yield();
            answer = driver.poll();
        }
        return answer;
    }

    /** Sends a request whose reply has the same memory {@code times} times; returns the header of the answer and its used length. */
    FuseAnswer callOverlapping(FuseMessage message, int bytes, int times) {
        byte[] request = message.build(2);
        DmaBuffer out = memory.allocate(request.length, 8);
        out.memory().put(out.offset(), request, 0, request.length);
        DmaBuffer header = memory.allocate(16, 8);
        DmaBuffer[] in = new DmaBuffer[1 + times];
        Arrays.fill(in, memory.allocate(bytes, 4096));
        in[0] = header;
        assertTrue(requestQueue.add(new DmaBuffer[] {out}, 1, in, in.length) >= 0);
        requestQueue.publish();
        runtime.kick(requestIndex);
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(ANSWER_SECONDS);
        while (requestQueue.pollUsed() < 0) {
            assertTrue(System.nanoTime() < deadline, "an answer in time");
            Thread.onSpinWait();
        }
        byte[] copy = new byte[16];
        header.memory().get(header.offset(), copy);
        ByteBuffer answer = ByteBuffer.wrap(copy).order(order);
        return new FuseAnswer(
                answer.getLong(8),
                answer.getInt(4),
                ByteBuffer.allocate(0),
                answer.getInt(0) & 0xffff_ffffL,
                requestQueue.usedLength());
    }

    /** What a change of the memory map does to the device: all chains come back in between. */
    void refreshMemory() {
        runtime.refreshMemory();
    }

    /** Forgets on the high-priority queue and waits until that is done. */
    void forget(long nodeId, long times) {
        hiprio.send(message(FUSE_FORGET, nodeId).u64(times), -16);
        await(hiprio);
    }

    // ---- requests as a driver makes them

    FuseAnswer lookup(long parent, String name) throws Exception {
        return call(message(FUSE_LOOKUP, parent).text(name), 128);
    }

    /** The node id of a name that exists. */
    long node(long parent, String name) throws Exception {
        return entry(lookup(parent, name));
    }

    static long entry(FuseAnswer answer) {
        assertEquals(0, answer.error());
        long id = answer.u64(0);
        assertTrue(id != 0, "a node id");
        return id;
    }

    FuseAnswer open(long node, int flags) throws Exception {
        return call(message(FUSE_OPEN, node).u32(flags).u32(0), 16);
    }

    long handle(long node, int flags) throws Exception {
        FuseAnswer answer = open(node, flags);
        assertEquals(0, answer.error());
        return answer.u64(0);
    }

    FuseAnswer read(long node, long fh, long offset, int size) throws Exception {
        return call(
                message(FUSE_READ, node)
                        .u64(fh)
                        .u64(offset)
                        .u32(size)
                        .u32(0)
                        .u64(0)
                        .u32(0)
                        .u32(0),
                size);
    }

    FuseAnswer write(long node, long fh, long offset, byte[] data, int flags) throws Exception {
        FuseMessage message = message(FUSE_WRITE, node).u64(fh).u64(offset).u32(data.length);
        return call(message.u32(flags).u64(0).u32(0).u32(0).bytes(data), 8);
    }

    FuseAnswer write(long node, long fh, long offset, byte[] data) throws Exception {
        return write(node, fh, offset, data, 0);
    }

    FuseAnswer create(long parent, String name, int flags, int mode) throws Exception {
        return call(createMessage(parent, name, flags, mode, 022), 144);
    }

    FuseMessage createMessage(long parent, String name, int flags, int mode, int umask) {
        return message(FUSE_CREATE, parent)
                .u32(flags)
                .u32(mode)
                .u32(umask)
                .u32(0)
                .text(name);
    }

    FuseAnswer mkdir(long parent, String name, int mode) throws Exception {
        return call(message(FUSE_MKDIR, parent).u32(mode).u32(022).text(name), 128);
    }

    FuseAnswer getattr(long node) throws Exception {
        return call(message(FUSE_GETATTR, node).u32(0).u32(0).u64(0), 104);
    }

    FuseAnswer opendir(long node) throws Exception {
        return call(message(FUSE_OPENDIR, node).u32(0).u32(0), 16);
    }

    FuseAnswer readdir(int opcode, long node, long fh, long offset, int size) throws Exception {
        return call(
                message(opcode, node)
                        .u64(fh)
                        .u64(offset)
                        .u32(size)
                        .u32(0)
                        .u64(0)
                        .u32(0)
                        .u32(0),
                size);
    }

    /** All names of a directory and the node id, inode number or 0 that came with each. */
    Map<String, Long> list(long node, boolean plus, int size) throws Exception {
        long fh = opendir(node).u64(0);
        Map<String, Long> names = new LinkedHashMap<>();
        long offset = 0;
        while (true) {
            FuseAnswer answer = readdir(plus ? FUSE_READDIRPLUS : FUSE_READDIR, node, fh, offset, size);
            assertEquals(0, answer.error());
            if (answer.body().limit() == 0) {
                break;
            }
            int at = 0;
            while (at < answer.body().limit()) {
                long id = plus ? answer.u64(at) : answer.u64(at);
                at += plus ? 128 : 0;
                offset = answer.u64(at + 8);
                int length = answer.u32(at + 16);
                byte[] name = new byte[length];
                answer.body().get(at + 24, name);
                names.put(new String(name, StandardCharsets.UTF_8), id);
                at += 24 + length + 7 & ~7;
            }
        }
        assertEquals(
                0,
                call(message(FUSE_RELEASEDIR, node).u64(fh).u32(0).u32(0).u64(0), 0)
                        .error());
        return names;
    }

    FuseAnswer release(long node, long fh) throws Exception {
        return call(message(FUSE_RELEASE, node).u64(fh).u32(0).u32(0).u64(0), 0);
    }

    @Override
    public void close() {
        runtime.awaitStopped();
        device.reset();
        device.close();
        workers.close();
        ioPool.close();
        directory.close();
        dmaMap.close();
        memory.close();
    }
}
