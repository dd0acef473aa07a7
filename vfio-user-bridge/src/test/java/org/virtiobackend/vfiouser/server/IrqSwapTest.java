package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.wire.Irq;

/** Eventfds that are replaced and closed while workers fire them. */
@Timeout(120)
class IrqSwapTest {
    private static final int CONNECT = 0x24;
    private static final int FIRING_THREADS = 3;
    private static final int SWAPS = 20_000;
    private static final int MESSAGE_SWAPS = 3_000;
    private static final int MASK_ROUNDS = 5_000;

    private final AtomicBoolean stop = new AtomicBoolean();
    private final AtomicLong fired = new AtomicLong();
    private final List<Thread> threads = new ArrayList<>();
    private volatile Throwable failure;

    /** Also when the test has failed: they spin. */
    @AfterEach
    void tearDown() throws InterruptedException {
        joinThreads();
    }

    /** The number of a closed descriptor is given out again at once: to an eventfd that nobody may signal. */
    @Test
    void neverWritesToANumberThatWasReused() throws Exception {
        IrqVector vector = new IrqVector();
        for (int i = 0; i < FIRING_THREADS; i++) {
            start(() -> fire(vector::fire));
        }
        try (EventFd target = EventFd.create()) {
            long heard = 0;
            for (int i = 0; i < SWAPS; i++) {
                vector.connect(EventFd.adopt(target.fd().duplicate()));
                if (i % 100 == 0) {
                    long seen = fired.get();
                    TestServer.await("an interrupt", () -> fired.get() > seen);
                }
                vector.connect(null);
                try (EventFd bystander = EventFd.create()) {
                    for (int spin = 0; spin < 200; spin++) {
                        Thread.onSpinWait();
                    }
                    assertEquals(0, bystander.drain(), "somebody else's eventfd was signalled");
                }
                heard += target.drain();
            }
            stopThreads();
            heard += target.drain();
            assertEquals(fired.get(), heard, "every interrupt that was delivered was heard once");
        }
    }

    @Test
    void everyInterruptReachesTheOldOrTheNewEventFd(@TempDir Path directory) throws Exception {
        try (TestServer server = new TestServer(directory);
                VfioUserClient client = server.client();
                EventFd first = EventFd.create();
                EventFd second = EventFd.create()) {
            FakeFunction function = server.function();
            client.setIrqs(CONNECT, Irq.MSIX, 3, 1, first.fd());
            int before = TestServer.openFds();
            for (int i = 0; i < FIRING_THREADS; i++) {
                start(() -> fire(() -> function.sink.msix(3)));
            }
            long heard = 0;
            for (int i = 0; i < MESSAGE_SWAPS; i++) {
                Fd next = (i % 2 == 0 ? second : first).fd();
                client.setIrqs(CONNECT, Irq.MSIX, 3, 1, next);
                heard += first.drain() + second.drain();
            }
            stopThreads();
            heard += first.drain() + second.drain();
            assertEquals(fired.get(), heard);
            assertTrue(heard > MESSAGE_SWAPS, "the test fired too little");
            TestServer.awaitFds(before);
        }
    }

    @Test
    void maskedInterruptIsNeverLost() throws Exception {
        IrqVector vector = new IrqVector();
        EventFd target = EventFd.create();
        vector.connect(EventFd.adopt(target.fd().duplicate()));
        AtomicLong round = new AtomicLong();
        AtomicLong firedRound = new AtomicLong();
        start(() -> {
            long seen = 0;
            while (!stop.get()) {
                if (round.get() != seen) {
                    seen = round.get();
                    vector.fire();
                    firedRound.set(seen);
                } else {
                    Thread.yield();
                }
            }
        });
        for (int i = 1; i <= MASK_ROUNDS; i++) {
            vector.mask();
            round.set(i);
            vector.unmask();
            int now = i;
            TestServer.await("fired", () -> firedRound.get() == now);
            assertEquals(1, target.drain(), "round " + i);
        }
        stopThreads();
        vector.disable();
        target.close();
    }

    private interface Fire {
        boolean fire();
    }

    private void fire(Fire vector) {
        while (!stop.get()) {
            if (vector.fire()) {
                fired.incrementAndGet();
            }
        }
    }

    private void start(Runnable body) {
        Thread thread = new Thread(() -> {
            try {
                body.run();
            } catch (Throwable t) {
                failure = t;
            }
        });
        thread.setDaemon(true);
        threads.add(thread);
        thread.start();
    }

    private void stopThreads() throws InterruptedException {
        joinThreads();
        assertEquals(null, failure);
    }

    private void joinThreads() throws InterruptedException {
        stop.set(true);
        for (Thread thread : threads) {
            thread.join();
        }
    }
}
