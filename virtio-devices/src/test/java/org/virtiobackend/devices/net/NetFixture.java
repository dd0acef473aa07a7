package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.packet.PcapFile;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.DeviceEvents;
import org.virtiobackend.virtio.device.worker.DeviceRuntime;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A network device that runs on workers, and a driver in the test's thread. */
final class NetFixture implements AutoCloseable {
    static final long MAC = 0x5254_0012_3456L;
    static final int QUEUE_SIZE = 256;
    static final int HEADER = 12;

    private static final long BASE = 0x4000_0000L;
    private static final long MEMORY_BYTES = 64L << 20;
    private static final long RING_FEATURES =
            VirtioFeature.VIRTIO_F_VERSION_1 | VirtioFeature.VIRTIO_F_INDIRECT_DESC | VirtioFeature.VIRTIO_F_EVENT_IDX;

    final VirtioNetDevice device;
    final NetBackend backend;
    final SharedMemory memory;
    final CompletableFuture<Throwable> failure = new CompletableFuture<>();
    final DmaMap dmaMap = new DmaMap();
    final DriverVirtqueue[] queues;
    final AtomicInteger[] notifications;
    DeviceRuntime runtime;
    long features;
    /** Of the usual features of rings, those that are not accepted at the next start. */
    long withoutRingFeatures;

    private final WorkerPool workers;
    private int answered;
    private final List<Map<Integer, List<DmaBuffer>>> out = new ArrayList<>();
    private final List<Deque<Received>> arrived = new ArrayList<>();

    /** A frame as the driver got it. */
    record Received(byte[] header, byte[] frame, int buffers) {
        int flags() {
            return header[0] & 0xff;
        }

        int gsoType() {
            return header[1] & 0xff;
        }

        int gsoSize() {
            return field(4);
        }

        int csumStart() {
            return field(6);
        }

        int field(int at) {
            return (header[at] & 0xff) | (header[at + 1] & 0xff) << 8;
        }

        long hash() {
            return (field(12) | (long) field(14) << 16) & 0xffff_ffffL;
        }
    }

    /** All features but the hash report, which makes the header longer. */
    static final long PLAIN = ~VirtioNet.VIRTIO_NET_F_HASH_REPORT;

    /** The plain features, one pair. */
    NetFixture(NetBackend backend) throws Exception {
        this(backend, new NetSettings(MAC, 0, 1, QUEUE_SIZE), PLAIN, 0);
    }

    /**
     * @param accept of the device's features, those to accept
     * @param ringFeatures more features of the rings
     */
    NetFixture(NetBackend backend, NetSettings settings, long accept, long ringFeatures) throws Exception {
        this(backend, settings, accept, ringFeatures, null);
    }

    NetFixture(NetBackend backend, NetSettings settings, long accept, long ringFeatures, PcapFile dump)
            throws Exception {
        this(backend, settings, accept, ringFeatures, dump, WorkerPool.ADAPTIVE);
    }

    NetFixture(NetBackend backend, NetSettings settings, long accept, long ringFeatures, PcapFile dump, long pollMicros)
            throws Exception {
        this.backend = backend;
        this.device = new VirtioNetDevice(backend, settings, dump);
        this.memory = SharedMemory.create("net-test", MEMORY_BYTES, BASE);
        this.workers = new WorkerPool(pollMicros == WorkerPool.ALWAYS ? 1 : 2, pollMicros);
        dmaMap.map(BASE, MEMORY_BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        queues = new DriverVirtqueue[device.queueMaxSizes().length];
        notifications = new AtomicInteger[queues.length];
        Arrays.setAll(notifications, i -> new AtomicInteger());
        start(device.offeredFeatures() & accept, ringFeatures);
    }

    void start(long deviceFeatures, long ringFeatures) throws Exception {
        features = (deviceFeatures | RING_FEATURES | ringFeatures) & ~withoutRingFeatures;
        assertTrue(device.acceptFeatures(features));
        QueueConfig[] configs = new QueueConfig[queues.length];
        out.clear();
        arrived.clear();
        for (int i = 0; i < queues.length; i++) {
            configs[i] = renew(i);
            out.add(new HashMap<>());
            arrived.add(new ArrayDeque<>());
        }
        DeviceEvents events = new DeviceEvents() {
            @Override
            public void usedBufferNotification(int index) {
                notifications[index].incrementAndGet();
            }

            @Override
            public void needsReset(Throwable cause) {
                failure.complete(cause);
            }
        };
        runtime = DeviceRuntime.start(device, features, configs, dmaMap::newSpace, workers, events);
        dmaMap.setUser(runtime);
    }

    /** A new ring for a queue that is not live. */
    QueueConfig renew(int queue) throws Exception {
        int size = device.queueMaxSizes()[queue];
        DriverVirtqueue ring = (features & VirtioFeature.VIRTIO_F_RING_PACKED) != 0
                ? PackedDriverQueue.create(queue, size, features, memory)
                : SplitDriverQueue.create(queue, size, features, memory);
        ring.disableInterrupts();
        queues[queue] = ring;
        return new QueueConfig(queue, size, ring.queueDesc(), ring.queueDriver(), ring.queueDevice());
    }

    void reset() {
        runtime.awaitStopped();
        device.reset();
    }

    int controlQueue() {
        boolean multi = (features & (VirtioNet.VIRTIO_NET_F_MQ | VirtioNet.VIRTIO_NET_F_RSS)) != 0;
        return multi ? queues.length - 1 : 2;
    }

    // ---- receive

    /** Adds receive buffers of this size; each may be cut into descriptors of these lengths. */
    void addBuffers(int queue, int count, int bytes, int... cuts) {
        for (int i = 0; i < count; i++) {
            List<DmaBuffer> pieces = pieces(bytes, cuts);
            int token = queues[queue].add(new DmaBuffer[0], 0, pieces.toArray(DmaBuffer[]::new), pieces.size());
            assertTrue(token >= 0, "room in the ring");
            out.get(queue).put(token, pieces);
        }
        publish(queue);
    }

    /** The next frame of a queue. */
    Received receive(int queue) throws Exception {
        await(() -> poll(queue), "a frame on queue " + queue);
        return arrived.get(queue).poll();
    }

    /** Whether a frame has arrived by now. */
    boolean poll(int queue) {
        if (!arrived.get(queue).isEmpty()) {
            return true;
        }
        int token = queues[queue].pollUsed();
        if (token < 0) {
            return false;
        }
        byte[] first = take(queue, token);
        int headerBytes = device.headerBytes();
        if (first.length < headerBytes) {
            arrived.get(queue).add(new Received(first, new byte[0], 0));
            return true;
        }
        int buffers = (first[10] & 0xff) | (first[11] & 0xff) << 8;
        byte[] frame = Arrays.copyOfRange(first, headerBytes, first.length);
        for (int i = 1; i < buffers; i++) {
            int next = queues[queue].pollUsed();
            assertTrue(next >= 0, "all buffers of a frame are used together");
            frame = concat(frame, take(queue, next));
        }
        arrived.get(queue).add(new Received(Arrays.copyOf(first, headerBytes), frame, buffers));
        return true;
    }

    private byte[] take(int queue, int token) {
        List<DmaBuffer> pieces = out.get(queue).remove(token);
        byte[] bytes = new byte[(int) queues[queue].usedLength()];
        int done = 0;
        for (DmaBuffer piece : pieces) {
            int part = Math.min(piece.length(), bytes.length - done);
            piece.memory().get(piece.offset(), bytes, done, part);
            done += part;
            memory.free(piece);
        }
        return bytes;
    }

    // ---- transmit

    /** Sends without waiting; the cuts are lengths of descriptors. */
    void send(int queue, byte[] headerAndFrame, int... cuts) {
        List<DmaBuffer> pieces = filled(headerAndFrame, cuts);
        int token = queues[queue].add(pieces.toArray(DmaBuffer[]::new), pieces.size(), new DmaBuffer[0], 0);
        assertTrue(token >= 0, "room in the ring");
        out.get(queue).put(token, pieces);
        publish(queue);
    }

    void awaitSent(int queue) throws Exception {
        int[] token = {-1};
        await(() -> (token[0] = queues[queue].pollUsed()) >= 0, "a transmit buffer back");
        out.get(queue).remove(token[0]).forEach(memory::free);
    }

    /** Sends a frame with a header of zeroes. */
    void sendPlain(int queue, byte[] frame) throws Exception {
        send(queue, concat(new byte[device.headerBytes()], frame));
        awaitSent(queue);
    }

    // ---- control

    /** Sends a command and returns the acknowledgement. */
    int control(int commandClass, int command, byte[] data) throws Exception {
        byte[] answer = control(concat(new byte[] {(byte) commandClass, (byte) command}, data), 1);
        return answer[0];
    }

    /** Sends raw bytes with room for an answer; returns what was written. */
    byte[] control(byte[] bytes, int room, int... cuts) throws Exception {
        Command command = command(bytes, room, cuts);
        publish(controlQueue());
        return answer(command);
    }

    /** A command that is in the ring. */
    record Command(int token, List<DmaBuffer> readable, List<DmaBuffer> writable) {}

    /** Puts a command into the ring without showing it to the device. */
    Command command(byte[] bytes, int room, int... cuts) {
        List<DmaBuffer> readable = filled(bytes, cuts);
        List<DmaBuffer> writable = room == 0 ? List.of() : List.of(memory.allocate(room, 1));
        int token = queues[controlQueue()].add(
                readable.toArray(DmaBuffer[]::new),
                readable.size(),
                writable.toArray(DmaBuffer[]::new),
                writable.size());
        assertTrue(token >= 0, "room in the ring");
        return new Command(token, readable, writable);
    }

    /** Waits for what was written to this command, which is the next that is answered. */
    byte[] answer(Command command) throws Exception {
        DriverVirtqueue queue = queues[controlQueue()];
        await(() -> (answered = queue.pollUsed()) >= 0, "an answer to a command");
        assertEquals(command.token, answered, "the command that is answered");
        byte[] answer = new byte[(int) queue.usedLength()];
        if (answer.length > 0) {
            DmaBuffer room = command.writable.get(0);
            room.memory().get(room.offset(), answer);
        }
        command.readable.forEach(memory::free);
        command.writable.forEach(memory::free);
        return answer;
    }

    void publish(int queue) {
        queues[queue].publish();
        if (queues[queue].deviceWantsKick()) {
            runtime.kick(queue);
        }
    }

    void await(BooleanSupplier condition, String what) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            if (failure.isDone()) {
                throw new AssertionError("the device failed", failure.get());
            }
            assertTrue(System.nanoTime() < deadline, what + " in time");
            Thread.onSpinWait();
        }
    }

    /** Waits until no worker has anything to do. */
    void awaitAsleep() throws Exception {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        await(() -> asleep(threads, "worker-0") && asleep(threads, "worker-1"), "no worker has anything to do");
    }

    /** Whether a thread used no processor time at all for a while. */
    private static boolean asleep(ThreadMXBean threads, String thread) {
        for (long id : threads.getAllThreadIds()) {
            if (threads.getThreadInfo(id) != null
                    && threads.getThreadInfo(id).getThreadName().equals(thread)) {
                long before = threads.getThreadCpuTime(id);
                LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20));
                return threads.getThreadCpuTime(id) == before;
            }
        }
        return true;
    }

    List<DmaBuffer> filled(byte[] bytes, int... cuts) {
        List<DmaBuffer> pieces = pieces(bytes.length, cuts);
        int at = 0;
        for (DmaBuffer piece : pieces) {
            piece.memory().put(piece.offset(), bytes, at, piece.length());
            at += piece.length();
        }
        return pieces;
    }

    private List<DmaBuffer> pieces(int total, int... cuts) {
        List<DmaBuffer> pieces = new ArrayList<>();
        int left = total;
        for (int i = 0; left > 0; i++) {
            int length = i < cuts.length ? Math.min(cuts[i], left) : left;
            pieces.add(memory.allocate(length, 1));
            left -= length;
        }
        return pieces;
    }

    /** struct virtio_net_hdr without a hash. */
    public static byte[] header(int flags, int gsoType, int hdrLen, int gsoSize, int csumStart, int csumOffset) {
        return ByteBuffer.allocate(HEADER)
                .order(ByteOrder.LITTLE_ENDIAN)
                .put((byte) flags)
                .put((byte) gsoType)
                .putShort((short) hdrLen)
                .putShort((short) gsoSize)
                .putShort((short) csumStart)
                .putShort((short) csumOffset)
                .array();
    }

    /** A frame for the device's own address, its payload counting up. */
    static byte[] frame(int bytes) {
        return frame(MAC, bytes);
    }

    static byte[] frame(long destination, int bytes) {
        ByteBuffer frame = ByteBuffer.allocate(bytes);
        frame.putLong(0, destination << 16).putShort(6, (short) 0x0200).putShort(12, (short) 0x88b5);
        for (int i = 14; i < bytes; i++) {
            frame.put(i, (byte) i);
        }
        return frame.array();
    }

    static byte[] le16(int value) {
        return new byte[] {(byte) value, (byte) (value >> 8)};
    }

    static byte[] le32(long value) {
        return new byte[] {(byte) value, (byte) (value >> 8), (byte) (value >> 16), (byte) (value >> 24)};
    }

    static byte[] le64(long value) {
        return concat(le32(value), le32(value >>> 32));
    }

    static byte[] concat(byte[]... parts) {
        ByteBuffer all =
                ByteBuffer.allocate(Arrays.stream(parts).mapToInt(p -> p.length).sum());
        Arrays.stream(parts).forEach(all::put);
        return all.array();
    }

    @Override
    public void close() {
        runtime.awaitStopped();
        device.reset();
        device.close();
        workers.close();
        dmaMap.close();
        memory.close();
        backend.close();
    }
}
