package org.virtiobackend.virtio.device.io;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class IoPoolTest {
    private static void await(CountDownLatch latch) {
        try {
            assertTrue(latch.await(20, TimeUnit.SECONDS));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 4})
    void somethingSlowNeverTakesTheLastThread(int threads) {
        CountDownLatch go = new CountDownLatch(1);
        AtomicInteger done = new AtomicInteger();
        try (IoPool pool = new IoPool(threads)) {
            for (int i = 0; i < 8; i++) {
                pool.submitSlow(scratch -> {
                    await(go);
                    done.incrementAndGet();
                });
            }
            for (int i = 0; i < 3; i++) {
                CountDownLatch served = new CountDownLatch(1);
                pool.submit(scratch -> served.countDown());
                await(served);
            }
            assertEquals(0, done.get());
            go.countDown();
        }
        assertEquals(8, done.get(), "closing lets it finish");
    }
}
