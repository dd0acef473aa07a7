package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.devices.blk.backend.RawFileBackend;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** A warm request allocates nothing, in the device or in the embedded driver. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class BlkAllocationTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final int BYTES = 4 << 20;
    private static final int REQUEST = 4096;
    private static final int DEPTH = 16;
    private static final int WARM_UP = 60_000;
    private static final int MEASURED = 10_000;
    private static final int ROUNDS = 5;

    @TempDir
    private Path directory;

    @Test
    void ram() throws Exception {
        allocatesNothing(RamBackend.create(BYTES));
    }

    @Test
    void file() throws Exception {
        Path image = Files.write(directory.resolve("disk.img"), new byte[BYTES]);
        allocatesNothing(RawFileBackend.open(image.toString(), new RawFileBackend.Options(false, false, true, 512)));
    }

    private static void allocatesNothing(BlockBackend backend) throws Exception {
        try (BlkFixture blk = new BlkFixture(backend, BlkSettings.defaults(), -1L, WorkerPool.ALWAYS)) {
            BlkDriver driver = new BlkDriver(blk.queue, blk.memory, DEPTH, REQUEST);
            long worker = threadId("worker-0");
            long self = Thread.currentThread().getId();
            run(driver, WARM_UP);
            // what the measurement itself costs a thread that asks about itself
            long before = THREADS.getThreadAllocatedBytes(self);
            long own = THREADS.getThreadAllocatedBytes(self) - before;
            long leastOfWorker = Long.MAX_VALUE;
            long leastOfDriver = Long.MAX_VALUE;
            // the least of some rounds: the JVM now and then allocates for itself, a request would do it in each
            for (int round = 0; round < ROUNDS; round++) {
                long workerBefore = THREADS.getThreadAllocatedBytes(worker);
                long selfBefore = THREADS.getThreadAllocatedBytes(self);
                run(driver, MEASURED);
                leastOfDriver = Math.min(leastOfDriver, THREADS.getThreadAllocatedBytes(self) - selfBefore - own);
                leastOfWorker = Math.min(leastOfWorker, THREADS.getThreadAllocatedBytes(worker) - workerBefore);
            }
            assertEquals(0, leastOfWorker, "bytes allocated by the worker in " + MEASURED + " requests");
            assertEquals(0, leastOfDriver, "bytes allocated by the driver");
            driver.close();
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

    /** Reads and writes in turn, DEPTH requests out at a time. */
    private static void run(BlkDriver driver, int requests) {
        int submitted = 0;
        int done = 0;
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (done < requests) {
            int slot;
            while (submitted < requests && (slot = driver.acquire()) >= 0) {
                long sector = (long) (submitted * 7919 % (BYTES / REQUEST)) * (REQUEST / 512);
                if ((submitted & 1) == 0) {
                    driver.read(slot, sector, REQUEST);
                } else {
                    driver.write(slot, sector, REQUEST);
                }
                submitted++;
            }
            driver.publish();
            while ((slot = driver.poll()) >= 0) {
                if (driver.status(slot) != VirtioBlk.VIRTIO_BLK_S_OK) {
                    throw new AssertionError("status " + driver.status(slot));
                }
                driver.release(slot);
                done++;
            }
            if (System.nanoTime() > deadline) {
                assertTrue(false, "requests come back in time");
            }
        }
    }
}
