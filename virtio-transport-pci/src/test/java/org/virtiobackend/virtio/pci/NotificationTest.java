package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import com.sun.management.ThreadMXBean;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.lang.management.ManagementFactory;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class NotificationTest {
    private FunctionFixture f;
    private SplitDriverQueue[] rings;

    private void open(int multiplier) throws Exception {
        f = new FunctionFixture(VirtioPciOptions.defaults().withNotifyMultiplier(multiplier));
        f.enableBusMaster();
        f.negotiate(FunctionFixture.VERSION_1);
        rings = new SplitDriverQueue[3];
        for (int i = 0; i < 3; i++) {
            rings[i] = f.ring(i, 16, 0);
            f.enable(rings[i]);
        }
        f.driverOk();
    }

    @AfterEach
    void tearDown() {
        if (f != null) {
            f.close();
        }
    }

    private long kicks(int queue) {
        return f.function.statistics()[queue].kicks();
    }

    @ParameterizedTest
    @CsvSource({"2", "4", "8", "256", "1024", "4096", "65536", "1048576"})
    void byAddress(int multiplier) throws Exception {
        open(multiplier);
        assertEquals(multiplier, f.pci.configRead(f.capability(9, 2) + 16, 4));
        for (int queue = 0; queue < 3; queue++) {
            f.common(QUEUE_SELECT, 2, queue);
            long at = 0x3000 + f.common(QUEUE_NOTIFY_OFF, 2) * multiplier;
            f.pci.barWritePosted(4, at, 2, queue);
            f.pci.barWritePosted(4, at, 2, 0xffff);
            assertEquals(2, kicks(queue));
        }
        f.pci.barWrite(4, 0x3000 + 3L * multiplier, 2, 0);
        if (multiplier > 2) {
            f.pci.barWrite(4, 0x3002, 2, 0);
        }
        assertEquals(6, kicks(0) + kicks(1) + kicks(2), "no other address notifies");
    }

    @Test
    void byValueWhenAllShareOneAddress() throws Exception {
        open(0);
        for (int value : new int[] {0, 1, 1, 2, 3, 255, 0x8000, 0xffff}) {
            f.pci.barWrite(4, 0x3000, 2, value);
        }
        f.pci.barWrite(4, 0x3000, 4, 0x0007_0002);
        f.pci.barWrite(4, 0x3002, 2, 0);
        f.pci.barWrite(4, 0x3000, 1, 0);
        assertEquals(1, kicks(0));
        assertEquals(2, kicks(1));
        assertEquals(2, kicks(2));
    }

    @Test
    void ignoredUnlessLive() throws Exception {
        f = new FunctionFixture();
        f.kick(0);
        f.enableBusMaster();
        f.negotiate(FunctionFixture.VERSION_1);
        f.kick(0);
        SplitDriverQueue ring = f.ring(0, 16, 0);
        f.enable(ring);
        f.kick(0);
        assertEquals(0, kicks(0));
        f.driverOk();
        f.kick(0);
        assertEquals(1, kicks(0));
        f.status(0);
        await("reset", () -> f.status() == 0);
        f.kick(0);
        assertEquals(1, kicks(0));
    }

    @ParameterizedTest
    @CsvSource({"0", "2", "4", "2048", "33554432"})
    void structureHoldsEveryNotificationAndLiesInItsBar(int multiplier) throws Exception {
        f = new FunctionFixture(VirtioPciOptions.defaults().withNotifyMultiplier(multiplier));
        int at = f.capability(9, 2);
        long offset = f.pci.configRead(at + 8, 4);
        long length = f.pci.configRead(at + 12, 4);
        long size = f.pci.barSize(4);
        assertTrue(length >= 2L * multiplier + 4, "three queues, the last one with data: " + length);
        assertEquals(0, offset % 4);
        assertTrue(offset + length <= size, offset + " + " + length + " in " + size);
        assertEquals(1, Long.bitCount(size));
    }

    @Test
    void multipliersThatNoDriverUnderstandsAreRefused() {
        VirtioPciOptions options = VirtioPciOptions.defaults();
        for (int multiplier : new int[] {-4, 1, 3, 6, Integer.MIN_VALUE}) {
            assertThrows(IllegalArgumentException.class, () -> options.withNotifyMultiplier(multiplier));
        }
        VirtioPciOptions data = options.withTransportFeatures(VirtioFeature.VIRTIO_F_NOTIFICATION_DATA);
        assertThrows(IllegalArgumentException.class, () -> data.withNotifyMultiplier(2), "the data would overlap");
        VirtioPciOptions wide = options.withNotifyMultiplier(1 << 28);
        assertThrows(IllegalArgumentException.class, () -> new FunctionFixture(wide));
    }

    @Test
    void notifyingAllocatesNothing() throws Exception {
        open(4);
        ByteBuf in = Unpooled.buffer(8).writeLong(0);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long self = Thread.currentThread().getId();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 20; round++) {
            long before = threads.getThreadAllocatedBytes(self);
            for (int i = 0; i < 10_000; i++) {
                f.function.write(4, 0x3004, 2, in.readerIndex(0));
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(self) - before);
        }
        assertTrue(least < 1_000, least + " bytes for 10000 notifications");
        assertEquals(200_000, kicks(1));
    }
}
