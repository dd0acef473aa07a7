package org.virtiobackend.vfiouser.socket;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.NativeBuffer;

@Timeout(60)
class SendWithinTest {
    private static final int BYTES = 4 << 20;
    private static final int PIECE = 16 << 10;

    @TempDir
    private Path directory;

    @Test
    void aPeerThatDripsDoesNotProlongIt() throws Exception {
        try (SocketPair sockets = new SocketPair(directory)) {
            // Each piece comes well within the limit, all of them far beyond it.
            long limit = TimeUnit.MILLISECONDS.toNanos(100);
            AtomicLong taken = new AtomicLong();
            Thread dripping = receive(sockets, taken, limit / 4);
            NativeBuffer message = NativeBuffer.allocate(BYTES);
            ErrnoException e =
                    assertThrows(ErrnoException.class, () -> sockets.left.sendWithin(limit, message.address(), BYTES));
            assertEquals(Errno.ETIMEDOUT, e.errno());
            sockets.left.shutdown();
            dripping.join();
            assertTrue(taken.get() < BYTES);
        }
    }

    @Test
    void sendsAllToAPeerThatTakesIt() throws Exception {
        try (SocketPair sockets = new SocketPair(directory)) {
            AtomicLong taken = new AtomicLong();
            Thread reading = receive(sockets, taken, 0);
            NativeBuffer message = NativeBuffer.allocate(BYTES);
            message.buffer().put(BYTES - 1, (byte) 7);
            sockets.left.sendWithin(TimeUnit.SECONDS.toNanos(50), message.address(), BYTES);
            sockets.left.shutdown();
            reading.join();
            assertEquals(BYTES, taken.get());
        }
    }

    private static Thread receive(SocketPair sockets, AtomicLong taken, long pause) {
        Thread thread = new Thread(() -> {
            NativeBuffer piece = NativeBuffer.allocate(PIECE);
            try {
                long bytes;
                while ((bytes = sockets.right
                                .receive(piece.address(), PIECE, new Fd[0])
                                .bytes())
                        > 0) {
                    taken.addAndGet(bytes);
                    LockSupport.parkNanos(pause);
                }
            } catch (ErrnoException e) {
                taken.set(-1);
            }
        });
        thread.start();
        return thread;
    }
}
