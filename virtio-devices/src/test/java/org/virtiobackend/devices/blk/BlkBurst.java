package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** Many requests at a time, through the embedded driver. */
final class BlkBurst implements AutoCloseable {
    private final BlkFixture fixture;
    private final BlkDriver driver;
    private final int slots;
    private final int maxSectors;

    BlkBurst(BlkFixture fixture, int slots, int dataBytes) {
        this.fixture = fixture;
        this.slots = slots;
        this.maxSectors = dataBytes / VirtioBlk.SECTOR_BYTES;
        this.driver = new BlkDriver(fixture.queue, fixture.memory, slots, dataBytes);
    }

    /** Reads random places of the disk, all slots at once, and compares each with {@code disk}. */
    void readAndCompare(byte[] disk, Random random) {
        int[] sector = new int[slots];
        int[] sectors = new int[slots];
        for (int i = 0; i < slots; i++) {
            int slot = driver.acquire();
            sectors[slot] = random.nextInt(1, maxSectors + 1);
            sector[slot] = random.nextInt(disk.length / VirtioBlk.SECTOR_BYTES - sectors[slot]);
            driver.read(slot, sector[slot], sectors[slot] * VirtioBlk.SECTOR_BYTES);
        }
        fixture.publish();
        for (int i = 0; i < slots; i++) {
            int slot = await();
            assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, driver.status(slot));
            int from = sector[slot] * VirtioBlk.SECTOR_BYTES;
            int length = sectors[slot] * VirtioBlk.SECTOR_BYTES;
            assertArrayEquals(Arrays.copyOfRange(disk, from, from + length), data(slot, length));
            driver.release(slot);
        }
    }

    private byte[] data(int slot, int length) {
        byte[] bytes = new byte[length];
        DmaBuffer buffer = driver.data(slot);
        buffer.memory().get(buffer.offset(), bytes);
        return bytes;
    }

    private int await() {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        int slot = driver.poll();
        while (slot < 0) {
            assertTrue(System.nanoTime() < deadline, "an answer in time");
            Thread.onSpinWait();
            slot = driver.poll();
        }
        return slot;
    }

    @Override
    public void close() {
        driver.close();
    }
}
