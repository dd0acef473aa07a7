package org.virtiobackend.virtio.device.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.dma.RemoteMemory;
import org.virtiobackend.posix.EventFd;

/** Queues that the thread of the driver's notifications serves itself while their worker sleeps. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class BorrowedQueueTest {
    private static final long REMOTE = 0x10_0000;

    private WorkerPool pool;

    @AfterEach
    void tearDown() {
        if (pool != null) {
            pool.close();
        }
    }

    @Test
    void isServedOnTheThreadOfTheNotificationWhileItsWorkerSleeps() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            for (int i = 0; i < 100; i++) {
                client.device.drainer = null;
                client.submitUntilBorrowed(); // or for ever
            }
        }
    }

    @Test
    void isLeftToItsWorkerWhenTheHandlerMayWait() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
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
    void tellsTheDriverInTheEndWhoeverServed() throws Exception {
        pool = new WorkerPool(1, WorkerPool.ADAPTIVE);
        try (BorrowingClient client = BorrowingClient.startLate(pool)) {
            int borrowed = 0;
            for (int i = 0; i < 3000; i++) {
                client.submit(1 + i % 3);
                client.awaitTold(1 + i % 3);
                borrowed += client.device.drainer == Thread.currentThread() ? 1 : 0;
            }
            while (borrowed == 0) {
                Thread.sleep(5); // so that the worker sleeps
                client.submit(1);
                client.awaitTold(1);
                borrowed += client.device.drainer == Thread.currentThread() ? 1 : 0;
            }
        }
    }

    @Test
    void workerFinishesWhatIsTooMuchForABorrower() throws Exception {
        pool = new WorkerPool(1, 0);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
            for (int i = 0; i < 100; i++) {
                client.submitUntilBorrowed();
                client.submit(30);
                client.awaitUsed(30);
            }
        }
    }

    @Test
    void chainsThatOtherThreadsCompleteComeBack() throws Exception {
        pool = new WorkerPool(1, WorkerPool.ADAPTIVE);
        try (BorrowingClient client = BorrowingClient.start(pool)) {
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
                BorrowingClient client = BorrowingClient.start(pool)) {
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
    void chainInMemoryBehindMessagesIsForTheWorker() throws Exception {
        pool = new WorkerPool(1, 0);
        Thread commands = Thread.currentThread();
        AtomicInteger messages = new AtomicInteger();
        try (BorrowingClient client = BorrowingClient.start(pool)) {
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
}
