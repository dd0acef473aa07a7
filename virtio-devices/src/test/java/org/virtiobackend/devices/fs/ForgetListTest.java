package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** BATCH_FORGET lists that are longer than the memory for a request: a chain may name the same memory again and again, up to 4 GiB. */
class ForgetListTest {
    private static final int ENTRIES = 20_000; // 320 KB

    @TempDir
    private Path root;

    private FsFixture fs;
    private long first;
    private long last;

    @BeforeEach
    void start() throws Exception {
        Files.createFile(root.resolve("first"));
        Files.createFile(root.resolve("last"));
        begin(PassthroughOptions.defaults());
    }

    private void begin(PassthroughOptions options) throws Exception {
        fs = new FsFixture(root, options);
        first = fs.node(ROOT, "first");
        last = fs.node(ROOT, "last");
    }

    @AfterEach
    void stop() {
        fs.close();
    }

    /** A list in which one file is among those that are read at once, and one is the last. */
    private FuseMessage list() {
        FuseMessage list = fs.message(FUSE_BATCH_FORGET, 0).u32(ENTRIES).u32(0);
        for (int i = 0; i < ENTRIES; i++) {
            list.u64(i == 4 ? first : i == ENTRIES - 1 ? last : 12345).u64(1);
        }
        return list;
    }

    @Test
    void isForgottenToItsEnd() throws Exception {
        Files.createFile(root.resolve("beyond"));
        long beyond = fs.node(ROOT, "beyond");
        fs.hiprio.send(list().u64(beyond).u64(1), -16);
        assertEquals(0, fs.await(fs.hiprio).usedLength());
        assertEquals(-Errno.ESTALE, fs.getattr(first).error());
        assertEquals(-Errno.ESTALE, fs.getattr(last).error());
        assertEquals(0, fs.getattr(beyond).error(), "not one of so many");
    }

    @Test
    void namesNoMoreFilesThanADriverMayKnow() throws Exception {
        fs.close();
        begin(PassthroughOptions.defaults().withLimits(1000, 100, 8));
        fs.hiprio.send(list(), -16);
        assertEquals(0, fs.await(fs.hiprio).usedLength());
        assertEquals(-Errno.ESTALE, fs.getattr(first).error());
        assertEquals(0, fs.getattr(last).error(), "nobody reads so far");
    }

    @Test
    void endsWhenItsMemoryHasToGoBack() throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        for (int i = 0; i < 2; i++) { // all threads that there are
            fs.ioPool.submit(scratch -> {
                try {
                    go.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            });
        }
        fs.hiprio.send(list(), -16);
        while (fs.getattr(first).error() == 0) {} // until its beginning was read
        assertEquals(-Errno.ESTALE, fs.getattr(first).error(), "one more turn of the worker: the list waits");
        new FsQueueHandler(fs.device).letGo();
        go.countDown();
        assertEquals(0, fs.await(fs.hiprio).usedLength());
        assertEquals(0, fs.getattr(last).error(), "it was not read on");
    }
}
