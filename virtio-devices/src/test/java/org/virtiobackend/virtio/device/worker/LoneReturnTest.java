package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.virtio.device.Coalescing;

/** Chains that are given back by the thread that has finished them, as their worker sleeps. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class LoneReturnTest {
    private static final long REMOTE = 0x10_0000;

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

    /** Control may wait for what a message waits for: the worker knows how to give way. */
    @Test
    void theWorkerGivesBackWhatTakesAMessage() throws Exception {
        pool = new WorkerPool(1, 0);
        AtomicReference<Thread> writer = new AtomicReference<>();
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            client.dmaMap.setRemoteMemory(new RemoteMemory() {
                @Override
                public void read(long address, ByteBuffer target, int offset, int length) {}

                @Override
                public void write(long address, ByteBuffer source, int offset, int length) {
                    writer.set(Thread.currentThread());
                }
            });
            client.dmaMap.map(REMOTE, 4096, true, true, null, 0);
            client.device.deferWork = true;
            for (int i = 0; i < 50; i++) {
                CountDownLatch gate = new CountDownLatch(1);
                client.device.echoGate = gate;
                client.driver.enableInterrupts();
                client.driver.add(new long[] {client.out[0].dmaAddress(), REMOTE}, new int[] {64, 64}, 1, 1);
                client.submit(0);
                Thread.sleep(2);
                teller(client, gate);
                assertTrue(isWorker(writer.get()));
            }
        }
    }
}
