package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Work that a function leaves to the session's thread for when the client has its answer. */
@Timeout(60)
class AfterAnswerTest extends CommandTest {
    private final BlockingQueue<Boolean> accepted = new LinkedBlockingQueue<>();
    private final BlockingQueue<Boolean> done = new LinkedBlockingQueue<>();

    private Boolean next(BlockingQueue<Boolean> queue) throws InterruptedException {
        return queue.poll(TestServer.WAIT_MILLIS, TimeUnit.MILLISECONDS);
    }

    @Test
    void runsAfterTheClientHasItsAnswer() throws Exception {
        CountDownLatch answered = new CountDownLatch(1);
        function.hook = (region, offset, length) -> accepted.add(function.session.afterAnswer(() -> {
            try {
                done.add(answered.await(TestServer.WAIT_MILLIS, TimeUnit.MILLISECONDS));
            } catch (InterruptedException e) {
                done.add(false);
            }
        }));
        client.regionWrite(0, 0, 4, 1, false);
        answered.countDown();
        assertTrue(next(accepted));
        assertTrue(next(done), "the answer was there before the work ended");
    }

    @Test
    void runsOnceForEachCommandPostedOnesToo() throws Exception {
        function.hook = (region, offset, length) -> accepted.add(function.session.afterAnswer(() -> done.add(true)));
        for (int i = 0; i < 100; i++) {
            client.regionWrite(0, 0, 4, i, true);
        }
        assertEquals(99, client.regionRead(0, 0, 4));
        assertEquals(100, done.size());
    }

    @Test
    void takesOneWorkOnly() throws IOException {
        function.hook = (region, offset, length) -> {
            accepted.add(function.session.afterAnswer(() -> done.add(true)));
            accepted.add(function.session.afterAnswer(() -> done.add(false)));
        };
        client.regionWrite(0, 0, 4, 1, false);
        client.regionRead(0, 0, 4);
        assertTrue(accepted.poll());
        assertFalse(accepted.poll());
        assertTrue(done.poll());
        assertTrue(done.isEmpty());
    }

    @Test
    void refusesOtherThreads() {
        assertFalse(function.session.afterAnswer(() -> done.add(true)));
    }
}
