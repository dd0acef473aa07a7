package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.devices.net.NetFixture.*;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.backend.StreamBackend;
import org.virtiobackend.devices.net.backend.TapBackend;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/** A frame allocates nothing in the device, sent or received, on any backend. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class NetAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int WARM_UP = 6_000;
    private static final int MEASURED = 1_000;
    private static final int ROUNDS = 4;
    private static final int BUFFER = 1526;
    private static final DmaBuffer[] NONE = {};

    @TempDir
    private Path directory;

    /** What the other end of the link does for each frame that the driver has sent, so that one comes back. */
    @FunctionalInterface
    private interface Echo {
        void echo() throws IOException;
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 5000})
    void loopback(int bytes) throws Exception {
        allocatesNothing(new LoopbackBackend(1), frame(bytes), () -> {});
    }

    @Test
    void stream() throws Exception {
        int bytes = 5000;
        Path path = directory.resolve("peer.sock");
        try (ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            listener.bind(UnixDomainSocketAddress.of(path));
            StreamBackend backend = new StreamBackend(path.toString());
            try (SocketChannel peer = listener.accept()) {
                ByteBuffer message = ByteBuffer.allocateDirect(Integer.BYTES + bytes);
                allocatesNothing(backend, frame(bytes), () -> {
                    message.clear();
                    while (message.hasRemaining()) {
                        peer.read(message);
                    }
                    message.flip();
                    while (message.hasRemaining()) {
                        peer.write(message);
                    }
                });
            }
        }
    }

    /** The kernel answers each request for its address. */
    @Test
    void tap() throws Exception {
        Taps.assumeTheyCanBeMade();
        String name = "vba" + ProcessHandle.current().pid() % 1_000_000;
        TapBackend backend = TapBackend.open(name, 1);
        Process address = new ProcessBuilder("/sbin/ip", "address", "add", "10.213.78.1/24", "dev", name).start();
        assertEquals(0, address.waitFor());
        byte[] host = {10, (byte) 213, 78, 1};
        byte[] guest = {10, (byte) 213, 78, 2};
        allocatesNothing(backend, Packets.arpRequest(MAC, guest, host), () -> {});
    }

    private static void allocatesNothing(NetBackend backend, byte[] frame, Echo peer) throws Exception {
        NetSettings settings = new NetSettings(MAC, 0, 1, QUEUE_SIZE);
        try (NetFixture net = new NetFixture(backend, settings, PLAIN, 0, null, WorkerPool.ALWAYS)) {
            Driver driver = new Driver(net, frame);
            long worker = threadId("worker-0");
            driver.run(WARM_UP, peer);
            long least = Long.MAX_VALUE;
            // the least of some rounds: the JVM now and then allocates for itself, a frame would do it in each
            for (int round = 0; round < ROUNDS; round++) {
                long before = THREADS.getThreadAllocatedBytes(worker);
                driver.run(MEASURED, peer);
                least = Math.min(least, THREADS.getThreadAllocatedBytes(worker) - before);
            }
            assertEquals(0, least, "bytes allocated by the worker for " + MEASURED + " frames each way");
        }
    }

    private static long threadId(String name) {
        for (long id : THREADS.getAllThreadIds()) {
            ThreadInfo thread = THREADS.getThreadInfo(id);
            if (thread != null && thread.getThreadName().equals(name)) { // null: it has ended since
                return id;
            }
        }
        throw new AssertionError("no thread " + name);
    }

    /** Sends the same frame again and again, and gives each receive buffer back as soon as it was used. */
    private static final class Driver {
        private final NetFixture net;
        private final DriverVirtqueue receive;
        private final DriverVirtqueue transmit;
        private final DmaBuffer[] frame;
        private final DmaBuffer[][] buffers;

        Driver(NetFixture net, byte[] bytes) {
            this.net = net;
            this.receive = net.queues[0];
            this.transmit = net.queues[1];
            this.frame = net.filled(concat(new byte[HEADER], bytes)).toArray(DmaBuffer[]::new);
            this.buffers = new DmaBuffer[QUEUE_SIZE][];
            for (int i = 0; i < 64; i++) {
                give(new DmaBuffer[] {net.memory.allocate(BUFFER, 1)});
            }
            net.publish(0);
        }

        private void give(DmaBuffer[] buffer) {
            buffers[receive.add(NONE, 0, buffer, 1)] = buffer;
        }

        void run(int frames, Echo peer) throws Exception {
            for (int i = 0; i < frames; i++) {
                transmit.add(frame, 1, NONE, 0);
                net.publish(1);
                net.await(() -> transmit.pollUsed() >= 0, "a transmit buffer back");
                peer.echo();
                net.await(() -> takeAll() > 0, "a frame");
            }
        }

        private int takeAll() {
            int count = 0;
            for (int token; (token = receive.pollUsed()) >= 0; count++) {
                give(buffers[token]);
            }
            if (count > 0) {
                net.publish(0);
            }
            return count;
        }
    }
}
