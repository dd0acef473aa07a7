package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.virtio.device.Coalescing;

/** Chains that are given back by the thread that has finished them, as their worker sleeps. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class LoneReturnTest {
    private WorkerPool pool;

    @AfterEach
    void tearDown() {
        if (pool != null) {
            pool.close();
        }
    }

    /** One request whose answer waits until its worker sleeps, most probably; who told the driver of it. */
    private static Thread teller(BorrowingClient client) throws Exception {
        CountDownLatch gate = new CountDownLatch(1);
        client.device.echoGate = gate;
        client.driver.enableInterrupts();
        client.submit(1);
        Thread.sleep(2);
        return teller(client, gate);
    }

    private static Thread teller(BorrowingClient client, CountDownLatch gate) throws Exception {
        gate.countDown();
        assertTrue(client.told.tryAcquire(30, TimeUnit.SECONDS), "told");
        client.awaitUsed(1);
        return client.teller;
    }

    private static boolean isWorker(Thread thread) {
        return thread.getName().startsWith("worker-");
    }

    @Test
    void theThreadThatFinishesTellsTheDriver() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.device.deferWork = true;
            for (int i = 0; i < 100; i++) {
                Thread teller;
                do { // or for ever
                    teller = teller(client);
                    assertNotSame(Thread.currentThread(), teller);
                } while (isWorker(teller));
            }
        }
    }

    @Test
    void theWorkerTellsWhenMoreAreOut() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.device.deferWork = true;
            for (int i = 0; i < 50; i++) {
                CountDownLatch last = new CountDownLatch(1);
                client.device.echoGate = last;
                client.submit(1);
                while (client.device.atGate.get() <= 2 * i) {
                    Thread.onSpinWait();
                }
                Thread teller = teller(client);
                client.driver.enableInterrupts();
                teller(client, last);
                assertTrue(isWorker(teller));
            }
        }
    }

    @Test
    void theWorkerTellsWhenNotificationsAreHeldBack() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.device.deferWork = true;
            client.runtime.coalesce(0, new Coalescing(1000, 16), true);
            for (int i = 0; i < 20; i++) {
                assertTrue(isWorker(teller(client)));
            }
        }
    }

    @Test
    void theWorkerTellsWhenItIsToldToPoll() throws Exception {
        pool = new WorkerPool(1, 1000);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.device.deferWork = true;
            for (int i = 0; i < 20; i++) {
                assertTrue(isWorker(teller(client)));
            }
        }
    }
}
