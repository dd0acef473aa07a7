package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.virtio.device.worker.CommandThread;

/** A warm request about files that are known allocates nothing. */
class FsAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int WARM_UP = 6_000;
    private static final int MEASURED = 2_000;

    @TempDir
    private Path root;

    /** A command thread that does nothing but serve lent queues. */
    private static final class Session extends Thread implements CommandThread {
        private volatile Runnable work;
        private volatile boolean ended;
        /** Written by this thread alone. */
        volatile int served;

        Session() {
            super("session");
            start();
        }

        @Override
        public boolean afterAnswer(Runnable wanted) {
            if (work != null) {
                return false;
            }
            work = wanted;
            return true;
        }

        @Override
        public void run() {
            while (!ended) {
                Runnable wanted = work;
                if (wanted == null) {
                    Thread.yield();
                    continue;
                }
                wanted.run();
                served++;
                work = null;
            }
        }

        void end() throws InterruptedException {
            ended = true;
            join();
        }
    }

    @Test
    void requestsAllocateNothing() throws Exception {
        Files.write(root.resolve("f"), new byte[8192]);
        try (FsFixture fs = new FsFixture(root, PassthroughOptions.defaults())) {
            assertAllocatesNothing(fs, threadId("worker-0"));
        }
    }

    @Test
    void requestsOnTheCommandThreadAllocateNothing() throws Exception {
        Files.write(root.resolve("f"), new byte[8192]);
        Session session = new Session();
        try (FsFixture fs = new FsFixture(root, PassthroughOptions.defaults(), session)) {
            assertAllocatesNothing(fs, session.getId());
            // On a busy machine some are the worker's.
            assertTrue(session.served > MEASURED / 2, "only " + session.served + " turns of the command thread");
        } finally {
            session.end();
        }
    }

    private static void assertAllocatesNothing(FsFixture fs, long server) throws Exception {
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        long directory = fs.opendir(ROOT).u64(0);
        run(fs, node, fh, directory, WARM_UP);
        long least = Long.MAX_VALUE;
        // the least of some rounds: the JVM now and then allocates for itself, a request would do it in each
        for (int round = 0; round < 4; round++) {
            long before = THREADS.getThreadAllocatedBytes(server);
            run(fs, node, fh, directory, MEASURED);
            least = Math.min(least, THREADS.getThreadAllocatedBytes(server) - before);
        }
        assertEquals(0, least, "bytes allocated by the thread that serves");
    }

    private static void run(FsFixture fs, long node, long fh, long directory, int rounds) throws Exception {
        byte[] data = new byte[4096];
        for (int i = 0; i < rounds; i++) {
            assertEquals(0, fs.lookup(ROOT, "f").error());
            assertEquals(0, fs.getattr(node).error());
            assertEquals(4096, fs.read(node, fh, 4096, 4096).body().limit());
            assertEquals(0, fs.write(node, fh, 0, data).error());
            assertEquals(
                    0, fs.readdir(FUSE_READDIRPLUS, ROOT, directory, 0, 4096).error());
            assertEquals(0, fs.call(fs.message(FUSE_STATFS, ROOT), 80).error());
            fs.forget(node, 2);
        }
    }

    private static long threadId(String name) {
        for (long id : THREADS.getAllThreadIds()) {
            ThreadInfo thread = THREADS.getThreadInfo(id);
            if (thread != null && thread.getThreadName().equals(name)) { // null: it has ended since
                return id;
            }
        }
        throw new AssertionError("no thread " + name);
    }
}
