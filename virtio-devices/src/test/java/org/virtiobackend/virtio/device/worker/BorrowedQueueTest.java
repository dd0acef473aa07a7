package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.QueueConfig;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Queues that the thread of the driver's notifications serves itself while their worker sleeps. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class BorrowedQueueTest {
    private static final long BASE = 0x8000_0000L;
    private static final long BYTES = 1 << 20;
    private static final long REMOTE = 0x10_0000;
    private static final long FEATURES = VirtioFeature.VIRTIO_F_EVENT_IDX;

    private WorkerPool pool;

    @AfterEach
    void tearDown() {
        if (pool != null) {
            pool.close();
        }
    }

    /** A device, its driver, and the thread that executes its commands: whoever calls. */
    private final class Client implements DeviceEvents, AutoCloseable {
        final EchoDevice device = new EchoDevice();
        final DmaMap dmaMap = new DmaMap();
        final SharedMemory memory;
        final CompletableFuture<Throwable> failure = new CompletableFuture<>();
        final DmaBuffer[] out;
        final DmaBuffer[] in;
        final SplitDriverQueue driver;
        final QueueConfig config;
        DeviceRuntime runtime;
        Runnable afterAnswer;

        Client() throws Exception {
            memory = SharedMemory.create("borrow-test", BYTES, BASE);
            out = new DmaBuffer[] {memory.allocate(64, 16)};
            in = new DmaBuffer[] {memory.allocate(64, 16)};
            driver = SplitDriverQueue.create(0, 64, FEATURES, memory);
            config = new QueueConfig(0, 64, driver.queueDesc(), driver.queueDriver(), driver.queueDevice());
        }

        void start() throws Exception {
            map();
            device.prompt = true;
            runtime = DeviceRuntime.start(
                    device, FEATURES, new QueueConfig[] {config, null}, dmaMap::newSpace, pool, this);
            runtime.setCommandThread(work -> {
                assertNull(afterAnswer, "one work for one command");
                afterAnswer = work;
                return true;
            });
            dmaMap.setUser(runtime);
        }

        void map() throws Exception {
            dmaMap.map(BASE, BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        }

        void add(int count) {
            for (int i = 0; i < count; i++) {
                assertTrue(driver.add(out, 1, in, 1) >= 0);
            }
            driver.publish();
        }

        /** As a session does it: the notification, the answer, the work. */
        void kick() {
            runtime.kick(0);
            Runnable work = afterAnswer;
            if (work != null) {
                afterAnswer = null;
                work.run();
            }
        }

        void submit(int count) {
            add(count);
            if (driver.deviceWantsKick()) {
                kick();
            }
        }

        int collect() {
            int count = 0;
            while (driver.pollUsed() >= 0) {
                count++;
            }
            return count;
        }

        void awaitUsed(int count) {
            int left = count;
            while (left > 0) {
                left -= collect();
                Thread.onSpinWait();
            }
        }

        /** Goes on until the worker was found asleep, so that the queue was served here. */
        void submitUntilBorrowed() {
            do {
                add(1);
                kick();
                awaitUsed(1);
            } while (device.drainer != Thread.currentThread());
        }

        @Override
        public void usedBufferNotification(int queue) {}

        @Override
        public void needsReset(Throwable cause) {
            failure.complete(cause);
        }

        @Override
        public void close() {
            if (runtime != null) {
                runtime.awaitStopped();
            }
            device.close();
            dmaMap.close();
            memory.close();
            assertEquals(0, device.collisions.get(), "two threads in one queue");
        }
    }

    private Client client() throws Exception {
        Client client = new Client();
        client.start();
        return client;
    }

    @Test
    void isServedOnTheThreadOfTheNotificationWhileItsWorkerSleeps() throws Exception {
        pool = new WorkerPool(1, 0);
        try (Client client = client()) {
            for (int i = 0; i < 100; i++) {
                client.device.drainer = null;
                client.submitUntilBorrowed();
                assertSame(Thread.currentThread(), client.device.drainer);
            }
        }
    }

    @Test
    void isLeftToItsWorkerWhenTheHandlerMayWait() throws Exception {
        pool = new WorkerPool(1, 0);
        try (Client client = client()) {
            client.device.prompt = false;
            for (int i = 0; i < 200; i++) {
                client.add(1);
                client.kick();
                client.awaitUsed(1);
                assertNotSame(Thread.currentThread(), client.device.drainer);
            }
        }
    }

    @Test
    void workerFinishesWhatIsTooMuchForABorrower() throws Exception {
        pool = new WorkerPool(1, 0);
        try (Client client = client()) {
            for (int i = 0; i < 100; i++) {
                client.submitUntilBorrowed();
                client.submit(30);
                client.awaitUsed(30);
            }
        }
    }

    @Test
    void workerSleepsOnWhenItsShareIsSeldomEnough() throws Exception {
        pool = new WorkerPool(1, WorkerPool.ADAPTIVE);
        try (Client client = client()) {
            for (int i = 0; i < 1_000; i++) {
                client.submit(1); // so often that it pays to poll
                client.awaitUsed(1);
            }
            long sleeps;
            do { // sooner or later; at first, or after a pause of this thread, it helps
                long before = sleepsOf("worker-0");
                for (int i = 0; i < 50; i++) {
                    long start = System.nanoTime();
                    while (System.nanoTime() - start < NapPolicy.BUSY_NANOS) {
                        Thread.onSpinWait();
                    }
                    client.submit(1);
                    client.awaitUsed(1);
                }
                sleeps = sleepsOf("worker-0") - before;
            } while (sleeps > 10);
        }
    }

    /** How many times a thread of this process has gone to sleep. */
    private static long sleepsOf(String thread) throws IOException {
        long sleeps = 0;
        try (DirectoryStream<Path> tasks = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (Path task : tasks) {
                for (String line : linesOf(task, thread)) {
                    if (line.startsWith("voluntary_ctxt_switches:")) {
                        sleeps += Long.parseLong(line.split("\\s+")[1]);
                    }
                }
            }
        }
        return sleeps;
    }

    /** Nothing for other threads, and for those that have just ended. */
    private static List<String> linesOf(Path task, String thread) throws IOException {
        try {
            List<String> lines = Files.readAllLines(task.resolve("status"));
            return lines.get(0).equals("Name:\t" + thread) ? lines : List.of();
        } catch (NoSuchFileException e) {
            return List.of();
        }
    }

    @Test
    void chainsThatOtherThreadsCompleteComeBack() throws Exception {
        pool = new WorkerPool(1, WorkerPool.ADAPTIVE);
        try (Client client = client()) {
            client.device.deferWork = true;
            for (int i = 0; i < 2_000; i++) {
                int burst = 1 + i % 5;
                client.submit(burst);
                client.awaitUsed(burst);
            }
        }
    }

    @Test
    void descriptorThatABorrowerArmsWakesTheWorker() throws Exception {
        pool = new WorkerPool(1, 0);
        try (EventFd ready = EventFd.create();
                Client client = client()) {
            for (int i = 0; i < 20; i++) {
                client.device.waitFor = null;
                client.device.woken = null;
                client.submitUntilBorrowed();
                client.device.waitFor = ready;
                client.submit(1);
                client.awaitUsed(1);
                ready.signal();
                while (client.device.woken == null) {
                    Thread.onSpinWait();
                }
                assertNotSame(Thread.currentThread(), client.device.woken);
            }
        }
    }

    @Test
    void deviceFailsOnWhatTheHandlerThrowsToABorrower() throws Exception {
        pool = new WorkerPool(1, 0);
        try (Client client = client()) {
            client.submitUntilBorrowed();
            client.device.throwThis = new IllegalStateException("bug in the device");
            client.submit(1);
            assertSame(client.device.throwThis, client.failure.get(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void chainInMemoryBehindMessagesIsForTheWorker() throws Exception {
        pool = new WorkerPool(1, 0);
        Thread commands = Thread.currentThread();
        AtomicInteger messages = new AtomicInteger();
        try (Client client = client()) {
            client.dmaMap.setRemoteMemory(new RemoteMemory() {
                @Override
                public boolean isReachable() {
                    return Thread.currentThread() != commands;
                }

                @Override
                public void read(long address, ByteBuffer target, int offset, int length) {
                    messages.incrementAndGet();
                }

                @Override
                public void write(long address, ByteBuffer source, int offset, int length) {
                    messages.incrementAndGet();
                }
            });
            client.dmaMap.map(REMOTE, 4096, true, true, null, 0);
            for (long[] chain : new long[][] {
                {REMOTE, client.in[0].dmaAddress()},
                {client.out[0].dmaAddress(), REMOTE}
            }) {
                client.submitUntilBorrowed();
                messages.set(0);
                client.driver.add(chain, new int[] {64, 64}, 1, 1);
                client.submit(1);
                client.awaitUsed(2);
                assertEquals(1, messages.get());
                assertNotSame(commands, client.device.drainer);
                // Such a queue is its worker's until the mappings change.
                client.runtime.refreshMemory();
            }
            assertFalse(client.failure.isDone());
        }
    }

    @Test
    void workForAQueueThatIsGoneDoesNothing() throws Exception {
        pool = new WorkerPool(1, 0);
        try (Client client = client()) {
            Runnable work = null;
            while (work == null) {
                client.add(1);
                client.runtime.kick(0);
                work = client.afterAnswer;
                if (work == null) {
                    client.awaitUsed(1);
                }
            }
            client.runtime.stopQueue(0);
            client.collect();
            int started = client.device.started;
            work.run();
            assertEquals(started, client.device.started);
        }
    }

    /** Several clients share workers, and each lets control go through all it can in the middle of everything. */
    @Test
    void neverMeetsItsWorkerNorWaitsForEverWhateverControlDoes() throws Exception {
        for (long pollMicros : new long[] {0, WorkerPool.ADAPTIVE}) {
            try (WorkerPool shared = new WorkerPool(2, pollMicros)) {
                pool = shared;
                ExecutorService threads = Executors.newFixedThreadPool(4);
                try {
                    Future<?>[] runs = new Future<?>[4];
                    for (int i = 0; i < runs.length; i++) {
                        int seed = i;
                        runs[i] = threads.submit(() -> {
                            exercise(new Random(seed));
                            return null;
                        });
                    }
                    for (Future<?> run : runs) {
                        run.get(50, TimeUnit.SECONDS);
                    }
                } finally {
                    threads.shutdownNow();
                }
            } finally {
                pool = null;
            }
        }
    }

    private void exercise(Random random) throws Exception {
        try (Client client = client()) {
            int out = 0;
            for (int i = 0; i < 1_500; i++) {
                client.device.deferWork = random.nextInt(4) == 0;
                int burst = Math.min(1 + random.nextInt(6), 31 - out);
                client.submit(burst);
                out += burst - client.collect();
                switch (random.nextInt(40)) {
                    case 0 -> {
                        client.runtime.pause();
                        client.submit(0);
                        client.runtime.resume();
                    }
                    case 1 -> {
                        // An access after munmap would kill this JVM.
                        client.dmaMap.unmap(BASE, BYTES);
                        client.map();
                    }
                    case 2 -> client.kick();
                    default -> {
                        if (out > 20) {
                            client.awaitUsed(out);
                            out = 0;
                        }
                    }
                }
            }
            client.awaitUsed(out);
            assertFalse(client.failure.isDone());
        }
    }
}
