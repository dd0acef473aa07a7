package org.virtiobackend.swiotlb.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.swiotlb.driver.BouncePool.Direction;

class BouncePoolTest {
    private static final long BASE = 0x38_0000_0000L;

    @Test
    void copiesOncePerDirection() throws Exception {
        try (MemFd file = MemFd.create("region", 1 << 20);
                Mapping region = Mapping.map(file.fd(), 0, 1 << 20, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, BASE, 2);
            ByteBuffer app = ByteBuffer.allocateDirect(8192);
            app.putInt(100, 0x01020304);
            Bounce bounce = new Bounce();
            assertTrue(pool.map(app, 100, 5000, Direction.TO_DEVICE, 0, bounce));
            int at = (int) (bounce.dmaAddress() - BASE);
            assertEquals(0x01020304, Integer.reverseBytes(region.window(0).getInt(at)));
            assertEquals(5000, pool.copiedBytes());
            assertEquals(3 * 2048, pool.usedBytes());
            pool.unmap(bounce, 0);
            assertEquals(5000, pool.copiedBytes());

            assertTrue(pool.map(app, 0, 4096, Direction.FROM_DEVICE, 0, bounce));
            assertEquals(5000, pool.copiedBytes(), "nothing to copy in");
            at = (int) (bounce.dmaAddress() - BASE);
            region.window(0).put(at, (byte) 7).put(at + 10, (byte) 8).put(at + 4095, (byte) 9);
            app.put(4095, (byte) 1);
            pool.syncForCpu(bounce, 10, 1);
            assertEquals(8, app.get(10));
            assertEquals(0, app.get(0));
            pool.unmap(bounce, 4095);
            assertEquals(7, app.get(0));
            assertEquals(1, app.get(4095), "what the device did not write stays");
            assertEquals(0, pool.usedBytes());
            assertEquals(6144, pool.highWaterBytes());
        }
    }

    @Test
    void neverHandsOutAddressZeroAndSaysWhenItIsFull() throws Exception {
        try (MemFd file = MemFd.create("region", 64 << 10);
                Mapping region = Mapping.map(file.fd(), 0, 64 << 10, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, 0, 4);
            List<DmaBuffer> all = new ArrayList<>();
            DmaBuffer buffer;
            while ((buffer = pool.allocate(2048, 16)) != null) {
                assertTrue(buffer.dmaAddress() > 0);
                all.add(buffer);
            }
            assertEquals(31, all.size());
            Bounce bounce = new Bounce();
            assertFalse(pool.map(ByteBuffer.allocate(1), 0, 1, Direction.TO_DEVICE, 0, bounce));
            assertEquals(2, pool.failureCount());
            pool.free(all.remove(7));
            assertTrue(pool.map(ByteBuffer.allocate(1), 0, 1, Direction.TO_DEVICE, 0, bounce));
            pool.unmap(bounce, 0);
            all.forEach(pool::free);
            assertEquals(0, pool.usedBytes());
            assertNull(pool.allocate(64 << 10, 1));
            assertNotNull(pool.allocate(31 * 2048, 1));
        }
    }

    @Test
    void aPlaceComesBackAfterAllOthersAndPagesStayWhole() throws Exception {
        try (MemFd file = MemFd.create("region", 4 << 20);
                Mapping region = Mapping.map(file.fd(), 0, 4 << 20, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, BASE, 1);
            ByteBuffer app = ByteBuffer.allocateDirect(8192);
            Bounce bounce = new Bounce();
            Set<Long> seen = new HashSet<>();
            for (int i = 0; i < 511; i++) {
                assertTrue(pool.map(app, 0, 8192, Direction.TO_DEVICE, 0, bounce));
                assertEquals(0, bounce.dmaAddress() % 4096);
                assertTrue(seen.add(bounce.dmaAddress()), "too early at " + i);
                pool.unmap(bounce, 0);
            }
        }
    }

    @Test
    void takesWhatIsLeftWhenNoPageIs() throws Exception {
        try (MemFd file = MemFd.create("region", 64 << 10);
                Mapping region = Mapping.map(file.fd(), 0, 64 << 10, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, BASE, 1);
            assertTrue(pool.map(ByteBuffer.allocate(62 << 10), 0, 62 << 10, Direction.TO_DEVICE, 0, new Bounce()));
        }
    }

    @Test
    void runsNeverOverlapAndKeepTheirAlignment() throws Exception {
        Random random = new Random(5);
        try (MemFd file = MemFd.create("region", 8 << 20);
                Mapping region = Mapping.map(file.fd(), 0, 8 << 20, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, BASE, 4);
            TreeMap<Long, DmaBuffer> taken = new TreeMap<>();
            List<DmaBuffer> list = new ArrayList<>();
            for (int i = 0; i < 20_000; i++) {
                if (random.nextBoolean() || list.isEmpty()) {
                    int alignment = 1 << random.nextInt(13);
                    DmaBuffer buffer = pool.allocate(1 + random.nextInt(20_000), alignment);
                    if (buffer == null) {
                        continue;
                    }
                    assertEquals(0, buffer.dmaAddress() % alignment);
                    var before = taken.floorEntry(buffer.dmaAddress());
                    var after = taken.ceilingEntry(buffer.dmaAddress());
                    assertTrue(before == null
                            || before.getKey() + before.getValue().length() <= buffer.dmaAddress());
                    assertTrue(after == null || buffer.dmaAddress() + buffer.length() <= after.getKey());
                    assertTrue(buffer.dmaAddress() + buffer.length() <= BASE + (8 << 20));
                    taken.put(buffer.dmaAddress(), buffer);
                    list.add(buffer);
                } else {
                    DmaBuffer gone = list.remove(random.nextInt(list.size()));
                    taken.remove(gone.dmaAddress());
                    pool.free(gone);
                }
            }
            list.forEach(pool::free);
            assertEquals(0, pool.usedBytes());
        }
    }

    @Test
    void threadsShareThePoolWithoutHarm() throws Exception {
        try (MemFd file = MemFd.create("region", 4 << 20);
                Mapping region = Mapping.map(file.fd(), 0, 4 << 20, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            BouncePool pool = new BouncePool(region, BASE, 4);
            List<Thread> threads = new ArrayList<>();
            List<Throwable> failures = java.util.Collections.synchronizedList(new ArrayList<>());
            for (int t = 0; t < 4; t++) {
                int hint = t;
                Thread thread = new Thread(() -> bounceManyTimes(pool, region, hint));
                thread.setUncaughtExceptionHandler((who, e) -> failures.add(e));
                thread.start();
                threads.add(thread);
            }
            for (Thread thread : threads) {
                thread.join();
            }
            assertEquals(List.of(), failures);
            assertEquals(0, pool.usedBytes());
        }
    }

    private static void bounceManyTimes(BouncePool pool, Mapping region, int hint) {
        ByteBuffer app = ByteBuffer.allocateDirect(8192);
        Bounce bounce = new Bounce();
        for (int i = 0; i < 20_000; i++) {
            app.putLong(0, (long) hint << 32 | i);
            if (pool.map(app, 0, 1 + 8 + i % 8000, Direction.BOTH, hint, bounce)) {
                int at = (int) (bounce.dmaAddress() - BASE);
                region.window(0).put(at + 8, (byte) hint);
                pool.unmap(bounce, bounce.length());
                assertEquals((long) hint << 32 | i, app.getLong(0));
                assertEquals(hint, app.get(8));
            }
        }
    }
}
