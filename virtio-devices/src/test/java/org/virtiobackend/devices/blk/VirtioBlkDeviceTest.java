package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.Transfer;
import org.virtiobackend.virtio.device.DeviceConfig;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.io.IoScratch;

/** What the device offers and how it negotiates. */
class VirtioBlkDeviceTest {
    private final FakeBackend backend = new FakeBackend();
    private final IoPool pool = new IoPool(1);

    @AfterEach
    void stop() {
        pool.close();
    }

    private VirtioBlkDevice device(BlkSettings settings) {
        return new VirtioBlkDevice(backend, pool, settings);
    }

    private static BlkSettings settings(boolean readOnly, int block, int queues, int size, boolean writeThrough) {
        return new BlkSettings("s", readOnly, block, queues, size, writeThrough);
    }

    @Test
    void showsItsShapeInConfiguration() {
        DeviceConfig config = device(settings(false, 512, 4, 128, false)).config();
        assertEquals(CONFIG_BYTES, config.length());
        assertEquals(backend.size / 512, config.get(CONFIG_CAPACITY, 8));
        assertEquals(1 << 20, config.get(CONFIG_SIZE_MAX, 4));
        assertEquals(126, config.get(CONFIG_SEG_MAX, 4));
        assertEquals(512, config.get(CONFIG_BLK_SIZE, 4));
        assertEquals(3, config.get(CONFIG_PHYSICAL_BLOCK_EXP, 1));
        assertEquals(0, config.get(CONFIG_ALIGNMENT_OFFSET, 1));
        assertEquals(8, config.get(CONFIG_MIN_IO_SIZE, 2));
        assertEquals(0, config.get(CONFIG_OPT_IO_SIZE, 4));
        assertEquals(1, config.get(CONFIG_WRITEBACK, 1));
        assertEquals(0, config.get(CONFIG_WRITEBACK + 1, 1));
        assertEquals(4, config.get(CONFIG_NUM_QUEUES, 2));
        assertEquals(BlkRanges.MAX_DISCARD_SECTORS, config.get(CONFIG_MAX_DISCARD_SECTORS, 4));
        assertEquals(BlkRanges.MAX_RANGES, config.get(CONFIG_MAX_DISCARD_SEG, 4));
        assertEquals(8, config.get(CONFIG_DISCARD_SECTOR_ALIGNMENT, 4));
        assertEquals(BlkRanges.MAX_WRITE_ZEROES_SECTORS, config.get(CONFIG_MAX_WRITE_ZEROES_SECTORS, 4));
        assertEquals(BlkRanges.MAX_RANGES, config.get(CONFIG_MAX_WRITE_ZEROES_SEG, 4));
        assertEquals(1, config.get(CONFIG_WRITE_ZEROES_MAY_UNMAP, 1));
        assertEquals(0, config.get(CONFIG_WRITE_ZEROES_MAY_UNMAP + 1, 3));
        for (int at = CONFIG_SECURE_ERASE; at < CONFIG_BYTES; at++) {
            assertEquals(0, config.get(at, 1));
        }
    }

    @Test
    void blocksOf4096BytesHaveNoSmallerPhysicalBlock() {
        DeviceConfig config = device(settings(false, 4096, 1, 64, false)).config();
        assertEquals(4096, config.get(CONFIG_BLK_SIZE, 4));
        assertEquals(0, config.get(CONFIG_PHYSICAL_BLOCK_EXP, 1));
        assertEquals(1, config.get(CONFIG_MIN_IO_SIZE, 2));
    }

    @Test
    void offersWhatItCanDo() {
        long always = VIRTIO_BLK_F_SIZE_MAX
                | VIRTIO_BLK_F_SEG_MAX
                | VIRTIO_BLK_F_BLK_SIZE
                | VIRTIO_BLK_F_TOPOLOGY
                | VIRTIO_BLK_F_FLUSH
                | VIRTIO_BLK_F_CONFIG_WCE;
        long change = VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES;
        assertEquals(always | change, device(settings(false, 512, 1, 64, false)).offeredFeatures());
        assertEquals(
                always | change | VIRTIO_BLK_F_MQ,
                device(settings(false, 512, 2, 64, true)).offeredFeatures());
        assertEquals(
                always | VIRTIO_BLK_F_RO,
                device(settings(true, 512, 1, 64, false)).offeredFeatures());
        VirtioBlkDevice device = device(settings(false, 512, 1, 64, false));
        assertEquals(0, device.withoutNeeds(always | change));
        assertEquals(VIRTIO_BLK_F_CONFIG_WCE, device.withoutNeeds((always | change) & ~VIRTIO_BLK_F_FLUSH));
        backend.readOnly = true;
        assertEquals(
                always | VIRTIO_BLK_F_RO,
                device(settings(false, 512, 1, 64, false)).offeredFeatures());
        int[] sizes = device(settings(false, 512, 3, 64, false)).queueMaxSizes();
        assertArrayEquals(new int[] {64, 64, 64}, sizes);
    }

    // virtio 1.4 5.2.5.2 and 5.2.6.2: which driver gets which cache, and what it can do about it
    @ParameterizedTest(name = "FLUSH {0}, CONFIG_WCE {1}, operator wants writethrough {2}")
    @CsvSource({
        // flush, wce, through: writeback at first, after the driver wrote 0, after it wrote 1
        "false, false, false, 0, 0, 0",
        "false, true,  false, 0, 0, 1",
        "true,  false, false, 1, 1, 1",
        "true,  true,  false, 1, 0, 1",
        "false, false, true,  0, 0, 0",
        "false, true,  true,  0, 0, 1",
        "true,  false, true,  0, 0, 0",
        "true,  true,  true,  0, 0, 1",
    })
    void writesAreDurableUnlessTheDriverFlushes(
            boolean flush, boolean wce, boolean through, int first, int afterZero, int afterOne) {
        VirtioBlkDevice device = device(settings(false, 512, 1, 64, through));
        long features = (flush ? VIRTIO_BLK_F_FLUSH : 0) | (wce ? VIRTIO_BLK_F_CONFIG_WCE : 0);
        assertTrue(device.acceptFeatures(features));
        hasWriteback(device, first);
        device.config().driverWrite(CONFIG_WRITEBACK, 1, 0);
        hasWriteback(device, afterZero);
        device.config().driverWrite(CONFIG_WRITEBACK, 1, 1);
        hasWriteback(device, afterOne);
        device.config().driverWrite(CONFIG_WRITEBACK, 1, 0xff);
        hasWriteback(device, afterOne);
        device.reset();
        hasWriteback(device, through ? 0 : 1);
    }

    private static void hasWriteback(VirtioBlkDevice device, int writeback) {
        assertEquals(writeback, device.config().get(CONFIG_WRITEBACK, 1));
        assertEquals(writeback == 0, device.writesAreDurable());
    }

    @Test
    void onlyWritebackIsWritable() {
        DeviceConfig config = device(BlkSettings.defaults()).config();
        for (int at = 0; at < CONFIG_BYTES; at++) {
            if (at != CONFIG_WRITEBACK) {
                long before = config.get(at, 1);
                config.driverWrite(at, 1, ~before);
                assertEquals(before, config.get(at, 1));
            }
        }
    }

    @Test
    void tellsTheDriverANewCapacityOnce() {
        VirtioBlkDevice device = device(BlkSettings.defaults());
        AtomicInteger changes = new AtomicInteger();
        device.config().onChange(changes::incrementAndGet);
        device.capacityChanged();
        assertEquals(0, changes.get());
        backend.size *= 2;
        device.capacityChanged();
        device.capacityChanged();
        assertEquals(1, changes.get());
        assertEquals(1, device.config().generation());
        assertEquals(backend.size / 512, device.config().get(CONFIG_CAPACITY, 8));
    }

    @Test
    void refusesSettingsThatNoDeviceHas() {
        assertThrows(IllegalArgumentException.class, () -> settings(false, 1024, 1, 64, false));
        assertThrows(IllegalArgumentException.class, () -> settings(false, 512, 0, 64, false));
        assertThrows(IllegalArgumentException.class, () -> settings(false, 512, 65, 64, false));
        assertThrows(IllegalArgumentException.class, () -> settings(false, 512, 1, 2, false));
        assertThrows(IllegalArgumentException.class, () -> settings(false, 512, 1, 100, false));
        assertThrows(IllegalArgumentException.class, () -> settings(false, 512, 1, 65536, false));
        assertThrows(IllegalArgumentException.class, () -> withSerial("123456789012345678901"));
        assertThrows(IllegalArgumentException.class, () -> withSerial("tab\there"));
        byte[] full = withSerial("12345678901234567890").serialBytes();
        assertEquals(ID_BYTES, full.length);
        assertFalse(Arrays.equals(new byte[ID_BYTES], full));
    }

    private static BlkSettings withSerial(String serial) {
        return new BlkSettings(serial, false, 512, 1, 64, false);
    }

    /** A disk that is only looked at. */
    private static final class FakeBackend implements BlockBackend {
        long size = 1 << 20;
        boolean readOnly;

        @Override
        public String description() {
            return "fake";
        }

        @Override
        public long sizeBytes() {
            return size;
        }

        @Override
        public boolean refreshSize() {
            return false;
        }

        @Override
        public boolean isReadOnly() {
            return readOnly;
        }

        @Override
        public int physicalBlockBytes() {
            return 4096;
        }

        @Override
        public boolean isVolatile() {
            return false;
        }

        @Override
        public int read(Transfer transfer, IoScratch scratch, boolean mayWait) {
            throw new AssertionError("no request was made");
        }

        @Override
        public int write(Transfer transfer, IoScratch scratch, boolean mayWait, boolean durable) {
            throw new AssertionError("no request was made");
        }

        @Override
        public int flush() {
            throw new AssertionError("no request was made");
        }

        @Override
        public int discard(long offset, long length) {
            throw new AssertionError("no request was made");
        }

        @Override
        public int writeZeroes(long offset, long length, boolean mayUnmap, IoScratch scratch) {
            throw new AssertionError("no request was made");
        }

        @Override
        public void close() {}
    }
}
