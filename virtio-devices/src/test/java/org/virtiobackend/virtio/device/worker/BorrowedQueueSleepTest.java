package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Workers that let others serve their queues so as to sleep on. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class BorrowedQueueSleepTest {
    private WorkerPool pool;

    @AfterEach
    void tearDown() {
        if (pool != null) {
            pool.close();
        }
    }

    @Test
    void workerSleepsOnWhenItsShareIsSeldomEnough() throws Exception {
        pool = new WorkerPool(1, WorkerPool.ADAPTIVE);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            for (int i = 0; i < 1_000; i++) {
                client.submit(1); // so often that it pays to poll
                client.awaitUsed(1);
            }
            long rare = new NapPolicy().rareNanos();
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(45);
            long sleeps;
            do { // sooner or later; at first, or after a pause of this thread, it helps
                long before = sleepsOf("worker-0");
                for (int i = 0; i < 50; i++) {
                    long start = System.nanoTime();
                    while (System.nanoTime() - start < rare) {
                        Thread.onSpinWait();
                    }
                    client.submit(1);
                    client.awaitUsed(1);
                }
                sleeps = sleepsOf("worker-0") - before;
            } while (sleeps > 10 && System.nanoTime() < deadline);
            assertTrue(sleeps <= 10, "the worker does not sleep on");
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
        } catch (IOException e) {
            if (Files.exists(task)) {
                throw e;
            }
            return List.of(); // ESRCH: between opening and reading
        }
    }
}
