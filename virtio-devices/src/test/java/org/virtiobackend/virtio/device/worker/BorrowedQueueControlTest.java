package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;

import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Control and failures in the middle of a turn with a queue that is lent. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
class BorrowedQueueControlTest {
    private WorkerPool pool;

    @AfterEach
    void tearDown() {
        if (pool != null) {
            pool.close();
        }
    }

    @Test
    void deviceFailsOnWhatTheHandlerThrowsToABorrower() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.submitUntilBorrowed();
            client.device.throwThis = new IllegalStateException("bug in the device");
            client.submit(1);
            assertSame(client.device.throwThis, client.failure.get(10, TimeUnit.SECONDS));
        }
    }

    @Test
    void workForAQueueThatIsGoneDoesNothing() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
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
                ExecutorService threads = Executors.newFixedThreadPool(4);
                try {
                    Future<?>[] runs = new Future<?>[4];
                    for (int i = 0; i < runs.length; i++) {
                        int seed = i;
                        runs[i] = threads.submit(() -> {
                            exercise(new Random(seed), shared);
                            return null;
                        });
                    }
                    for (Future<?> run : runs) {
                        run.get(2, TimeUnit.MINUTES);
                    }
                } finally {
                    threads.shutdownNow();
                }
            }
        }
    }

    private static void exercise(Random random, WorkerPool pool) throws Exception {
        try (BorrowingClient client = BorrowingClient.start(pool)) {
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
                        client.dmaMap.unmap(BorrowingClient.BASE, BorrowingClient.BYTES);
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
