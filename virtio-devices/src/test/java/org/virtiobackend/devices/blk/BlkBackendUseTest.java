package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.virtiobackend.devices.blk.BlkFixture.concat;
import static org.virtiobackend.devices.blk.BlkFixture.header;
import static org.virtiobackend.devices.blk.BlkFixture.range;
import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** What requests ask of a backend, and what becomes of its answers. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class BlkBackendUseTest {
    private static final byte[] NONE = {};
    private static final byte[] SECTOR = new byte[SECTOR_BYTES];

    private final ScriptedBackend backend = new ScriptedBackend();
    private BlkFixture blk;

    @AfterEach
    void stop() {
        blk.close();
    }

    private void start(long accept) throws Exception {
        blk = new BlkFixture(backend, BlkSettings.defaults(), accept, WorkerPool.ADAPTIVE);
    }

    private int status(int type, long sector, byte[] out, int in) throws Exception {
        return blk.request(type, sector, out, in).status();
    }

    @Test
    void writesAreDurableForADriverThatCannotFlush() throws Exception {
        start(VIRTIO_BLK_F_WRITE_ZEROES);
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_OUT, 3, SECTOR, 0));
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_WRITE_ZEROES, 0, range(5, 2, 0), 0));
        assertEquals(List.of("durable write 512 at 1536", "zero 1024 at 2560", "flush"), backend.calls);
    }

    @Test
    void writesAreVolatileForADriverThatFlushes() throws Exception {
        start(VIRTIO_BLK_F_FLUSH | VIRTIO_BLK_F_WRITE_ZEROES);
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_OUT, 3, SECTOR, 0));
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_WRITE_ZEROES, 0, range(5, 2, RANGE_UNMAP), 0));
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_FLUSH, 0, NONE, 0));
        assertEquals(List.of("write 512 at 1536", "unmap 1024 at 2560", "flush"), backend.calls);
    }

    @Test
    void theDriverMayChangeTheCacheModeAtAnyTime() throws Exception {
        start(-1L);
        status(VIRTIO_BLK_T_OUT, 0, SECTOR, 0);
        blk.device.config().driverWrite(CONFIG_WRITEBACK, 1, 0);
        status(VIRTIO_BLK_T_OUT, 0, SECTOR, 0);
        blk.device.config().driverWrite(CONFIG_WRITEBACK, 1, 1);
        status(VIRTIO_BLK_T_OUT, 0, SECTOR, 0);
        assertEquals(List.of("write 512 at 0", "durable write 512 at 0", "write 512 at 0"), backend.calls);
    }

    @Test
    void whatWouldWaitGoesOnInThePoolWhereItStopped() throws Exception {
        start(-1L);
        backend.inlineBytes = 512;
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_IN, 1, NONE, 2048));
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_OUT, 1, new byte[1024], 0));
        assertEquals(
                List.of(
                        "read 2048 at 512",
                        "read 1536 at 1024 waiting",
                        "write 1024 at 512",
                        "write 512 at 1024 waiting"),
                backend.calls);
    }

    @Test
    void aLargeRequestIsVisibleWhileTheNextOneIsServed() throws Exception {
        start(-1L);
        CountDownLatch seen = new CountDownLatch(1);
        backend.beforeMove = () -> {
            if (!backend.calls.isEmpty()) {
                awaitLatch(seen);
            }
        };
        try {
            for (int at = 1 << 20; at <= 2 << 20; at += 1 << 20) {
                long address = BlkFixture.BASE + at; // the header is zeroes: a read of sector 0
                blk.queue.add(new long[] {address, address + 16}, new int[] {16, (64 << 10) + 1}, 1, 1);
            }
            blk.publish();
            blk.awaitUsed();
        } finally {
            seen.countDown();
        }
        blk.awaitUsed();
    }

    private static void awaitLatch(CountDownLatch latch) {
        try {
            latch.await();
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    @Test
    void failuresOfTheImageAreIoErrors() throws Exception {
        start(-1L);
        backend.result = -Errno.ENOSPC;
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_IN, 0, NONE, 512));
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_OUT, 0, SECTOR, 0));
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_FLUSH, 0, NONE, 0));
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_DISCARD, 0, range(0, 1, 0), 0));
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_WRITE_ZEROES, 0, range(0, 1, 0), 0));
        assertEquals(5, blk.device.errorCount());
        backend.result = 0;
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_IN, 0, NONE, 512));
        assertFalse(blk.failure.isDone());
    }

    @Test
    void aRangeThatFailsEndsTheRequest() throws Exception {
        start(-1L);
        backend.result = -Errno.EIO;
        byte[] list = concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 1, 0), range(8, 1, 0));
        assertEquals(VIRTIO_BLK_S_IOERR, blk.request(list, new int[] {16}, 1).status());
        assertEquals(List.of("discard 512 at 0"), backend.calls);
    }

    @Test
    void emptyRangesAskForNothing() throws Exception {
        start(-1L);
        byte[] list = concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 0, 0), range(8, 0, 0));
        assertEquals(VIRTIO_BLK_S_OK, blk.request(list, new int[] {16}, 1).status());
        assertEquals(List.of(), backend.calls);
    }

    @Test
    void theCapacityOfTheMomentCounts() throws Exception {
        start(-1L);
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_IN, 2048, NONE, 512));
        backend.size = 2 << 20;
        assertEquals(VIRTIO_BLK_S_OK, status(VIRTIO_BLK_T_IN, 2048, NONE, 512));
        backend.size = 512;
        assertEquals(VIRTIO_BLK_S_IOERR, status(VIRTIO_BLK_T_IN, 1, NONE, 512));
    }

    @Test
    void anUnexpectedErrorInThePoolFailsTheDeviceOnly() throws Exception {
        start(-1L);
        backend.inlineBytes = 0;
        backend.failure = new IllegalStateException("as a mapping that died would");
        blk.queue.add(new long[] {BlkFixture.BASE + (1 << 20), BlkFixture.BASE + (2 << 20)}, new int[] {16, 513}, 1, 1);
        blk.publish();
        assertSame(backend.failure, blk.failure.get(20, TimeUnit.SECONDS));
        blk.reset();
        backend.failure = null;
        blk.start(blk.device.offeredFeatures());
    }
}
