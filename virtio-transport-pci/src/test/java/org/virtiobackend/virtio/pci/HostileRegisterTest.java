package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Rows 10 to 13 of the hostile driver list: registers in the wrong order, out of range, of the wrong width. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class HostileRegisterTest {
    private static final int[] WIDTHS = {1, 2, 3, 4, 5, 7, 8};

    private FunctionFixture f;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    private long[] queueRegisters() {
        return new long[] {
            f.common(QUEUE_SIZE, 2),
            f.common(QUEUE_ENABLE, 2),
            f.common(QUEUE_DESC, 8),
            f.common(QUEUE_DRIVER, 8),
            f.common(QUEUE_DEVICE, 8),
            f.common(QUEUE_RESET, 2)
        };
    }

    private void scribbleQueue() {
        for (int size : new int[] {0, 1, 3, 32, 64, 128, 32768, 65535}) {
            f.common(QUEUE_SIZE, 2, size);
        }
        for (int at = QUEUE_DESC; at < QUEUE_NOTIF_CONFIG_DATA; at += 4) {
            f.common(at, 4, 0xdead_beefL);
        }
        f.common(QUEUE_ENABLE, 2, 0);
        f.common(QUEUE_ENABLE, 2, 1);
    }

    private void echoOnce(SplitDriverQueue ring) {
        var out = f.memory.allocate(64, 16);
        var in = f.memory.allocate(64, 16);
        out.memory().putLong(out.offset(), 0x0123_4567_89ab_cdefL);
        assertTrue(ring.add(new DmaBuffer[] {out}, 1, new DmaBuffer[] {in}, 1) >= 0);
        ring.publish();
        f.kick(0);
        FunctionFixture.await("echo", () -> ring.pollUsed() >= 0);
        assertEquals(0x0123_4567_89ab_cdefL, in.memory().getLong(in.offset()));
    }

    /** Row 10. */
    @Test
    void enabledQueueIgnoresWritesBeforeAndAfterDriverOk() {
        f.enableBusMaster();
        f.negotiate(FunctionFixture.VERSION_1);
        SplitDriverQueue ring = f.ring(0, 32, 0);
        f.enable(ring);
        long[] before = queueRegisters();
        scribbleQueue();
        assertArrayEquals(before, queueRegisters());
        f.driverOk();
        scribbleQueue();
        f.common(QUEUE_RESET, 2, 1);
        assertArrayEquals(before, queueRegisters(), "RING_RESET is not negotiated");
        echoOnce(ring);
    }

    /** Row 10: a queue that was not enabled in time stays out. */
    @Test
    void queueCannotBeEnabledOnALiveDevice() {
        SplitDriverQueue ring = f.goLive(0);
        f.common(QUEUE_SELECT, 2, 1);
        long[] before = queueRegisters();
        scribbleQueue();
        assertArrayEquals(before, queueRegisters());
        f.kick(1);
        f.common(QUEUE_SELECT, 2, 0);
        echoOnce(ring);
    }

    /** Row 11. */
    @ParameterizedTest
    @ValueSource(ints = {3, 4, 255, 0x7fff, 0x8000, 0xffff})
    void queueThatDoesNotExistReadsZeroAndIgnoresWrites(int queue) {
        f.common(QUEUE_SELECT, 2, queue);
        f.common(QUEUE_MSIX_VECTOR, 2, 1);
        scribbleQueue();
        f.common(QUEUE_RESET, 2, 1);
        assertEquals(queue, f.common(QUEUE_SELECT, 2));
        assertArrayEquals(new long[6], queueRegisters());
        assertEquals(NO_VECTOR, f.common(QUEUE_MSIX_VECTOR, 2));
        assertEquals(0, f.common(QUEUE_NOTIFY_OFF, 2));
    }

    /** Row 11: every address and value of the notification page, before and after DRIVER_OK. */
    @Test
    void notificationsOfQueuesThatDoNotExistAreIgnored() {
        for (int round = 0; round < 2; round++) {
            for (int at = 0; at < 0x1000; at++) {
                for (int width : WIDTHS) {
                    if (at + width <= 0x1000) {
                        f.pci.barWrite(4, 0x3000 + at, width, -1);
                    }
                }
            }
            if (round == 0) {
                echoOnce(f.goLive(0));
            }
        }
        assertEquals(0xf, f.status());
    }

    /** Row 13: all of the register BAR, all widths, random values; then the device still works. */
    @Test
    void anyAccessOfAnyWidthIsServed() {
        Random random = new Random(1);
        for (int at = 0; at < 0x4000; at++) {
            for (int width : WIDTHS) {
                if (at + width > 0x4000 || at > 0x50 && at < 0xff8) {
                    continue;
                }
                f.pci.barRead(4, at, width);
                f.pci.barWrite(4, at, width, random.nextLong());
            }
        }
        f.function.reset();
        echoOnce(f.goLive(0));
    }

    /** Row 13: the common configuration page to its end; nothing is behind the structure. */
    @Test
    void commonPageBehindTheStructureReadsZero() {
        for (int at = LENGTH; at < 0x1000; at++) {
            for (int width : new int[] {1, 2, 4, 8}) {
                if (at + width <= 0x1000) {
                    f.common(at, width, -1);
                    assertEquals(0, f.common(at, width));
                }
            }
        }
        assertEquals(0, f.status());
    }

    /** Row 13: a random walk over all regions, with a live device now and then. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void survivesRandomAccesses(long seed) {
        Random random = new Random(seed);
        int[] regions = {1, 4, 4, 4, 4, 7, 7};
        for (int i = 0; i < 30_000; i++) {
            if (i % 5_000 == 0) {
                f.function.reset();
                f.goLive(0);
            }
            int region = regions[random.nextInt(regions.length)];
            int size = (int) f.function.region(region).size();
            int width = 1 + random.nextInt(8);
            int at = random.nextInt(random.nextBoolean() ? 0x60 : size - 8);
            if (random.nextBoolean()) {
                f.pci.write(region, at, width, random.nextLong());
            } else {
                f.pci.read(region, at, width);
            }
        }
        f.function.reset();
        echoOnce(f.goLive(0));
    }

    @Test
    void longReadsAndWritesCrossAllStructures() {
        ByteBuf out = Unpooled.buffer(0x4000);
        f.function.read(4, 0, 0x4000, out);
        assertEquals(0x4000, out.readableBytes());
        assertEquals(0x1122_3344_5566_7788L, out.getLongLE(0x2000));
        f.function.write(4, 0, 0x4000, out);
        assertEquals(0, out.readableBytes());
        ByteBuf config = Unpooled.buffer(0x1000);
        f.function.read(7, 0, 0x1000, config);
        assertEquals(0x1000, config.readableBytes());
        f.function.write(7, 0, 0x1000, config);
        f.function.read(1, 0, 0x2000, out.clear());
        f.function.write(1, 0, 0x2000, out);
        for (int absent : new int[] {0, 2, 3, 5, 6, 8}) {
            f.function.read(absent, 0, 4, out.clear());
            assertEquals(0, out.getInt(0));
            f.function.write(absent, 0, 4, out);
            assertEquals(0, out.readableBytes());
        }
    }

    /** Row 10 in another order: a queue enabled at an address that is nowhere. */
    @Test
    void queueOutsideMemoryNeedsReset() {
        f.enableBusMaster();
        f.negotiate(FunctionFixture.VERSION_1);
        f.common64(QUEUE_DESC, 0x7777_0000_0000L);
        f.common64(QUEUE_DRIVER, 0x7777_0001_0000L);
        f.common64(QUEUE_DEVICE, 0x7777_0002_0000L);
        f.common(QUEUE_ENABLE, 2, 1);
        f.driverOk();
        FunctionFixture.await("needs reset", () -> (f.status() & DeviceStatus.DEVICE_NEEDS_RESET) != 0);
        f.status(0);
        FunctionFixture.await("reset", () -> f.status() == 0);
        echoOnce(f.goLive(0));
    }
}
