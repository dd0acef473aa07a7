package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.HostileEventFd;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.wire.Irq;

/** O_NONBLOCK belongs to the open file that client and server share, so a client can take it away again. */
@Timeout(60)
class BlockingEventFdTest {
    private static final int CONNECT = 0x24;

    @TempDir
    private Path directory;

    @Test
    void workerIsFreedAndTheClientGoes() throws Exception {
        try (TestServer server = new TestServer(directory);
                EventFd trap = EventFd.create();
                VfioUserClient client = server.client()) {
            assertEquals("connected 1", server.events.poll(10, TimeUnit.SECONDS));
            FakeFunction function = server.function();
            client.setIrqs(CONNECT, Irq.MSIX, 0, 1, TestServer.fds(trap));
            set(trap);
            Thread worker = fire(() -> function.sink.msix(0));
            worker.join(TestServer.WAIT_MILLIS);
            assertFalse(worker.isAlive(), "the worker hangs");
            String end = server.events.poll(10, TimeUnit.SECONDS);
            assertTrue(end != null && end.startsWith("disconnected 1"), end);
        }
    }

    @Test
    void whoHangsIsFreedAfterTheEventFdWasReplaced() throws Exception {
        try (EventFd trap = EventFd.create();
                EventFd other = EventFd.create()) {
            IrqVector vector = new IrqVector();
            vector.connect(EventFd.adopt(trap.fd().duplicate()));
            set(trap);
            Thread worker = fire(vector::fire);
            TestServer.await("it hangs", () -> isWriting(worker));
            vector.connect(EventFd.adopt(other.fd().duplicate()));
            boolean[] stuck = {false};
            TestServer.await("it is freed", () -> {
                stuck[0] |= vector.freeStuck();
                return !worker.isAlive();
            });
            assertTrue(stuck[0]);
            assertFalse(vector.freeStuck());
            vector.fire();
            assertEquals(1, other.drain());
            vector.disable();
        }
    }

    @Test
    void aSlowSignalIsNoTrap() throws Exception {
        try (EventFd fine = EventFd.create()) {
            IrqVector vector = new IrqVector();
            vector.connect(EventFd.adopt(fine.fd().duplicate()));
            HostileEventFd.fill(fine); // refuses, does not block
            for (int i = 0; i < 1000; i++) {
                vector.fire();
                assertFalse(vector.freeStuck());
            }
            vector.disable();
        }
    }

    @Test
    void emptyEventFdDoesNotHoldItsReaderUp() throws Exception {
        try (EventFd trap = EventFd.create()) {
            HostileEventFd.makeBlocking(trap);
            assertEquals(0, trap.drain());
            trap.signal();
            trap.signal();
            assertEquals(2, trap.drain());
            assertEquals(0, trap.drain());
        }
    }

    private static void set(EventFd trap) {
        HostileEventFd.fill(trap);
        HostileEventFd.makeBlocking(trap);
    }

    private static Thread fire(Runnable interrupt) {
        Thread worker = new Thread(interrupt);
        worker.setDaemon(true);
        worker.start();
        return worker;
    }

    private static boolean isWriting(Thread thread) {
        StackTraceElement[] stack = thread.getStackTrace();
        return stack.length > 0
                && stack[0].isNativeMethod()
                && stack[0].getMethodName().equals("write");
    }
}
