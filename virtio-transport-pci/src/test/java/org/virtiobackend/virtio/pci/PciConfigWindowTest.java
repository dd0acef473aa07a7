package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.netty.buffer.Unpooled;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Row 14 of the hostile driver list, and that the window works at all. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class PciConfigWindowTest {
    private FunctionFixture f;
    private int at;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
        at = f.capability(9, 5);
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    private void select(int bar, long offset, long length) {
        f.pci.configWrite(at + 4, 1, bar);
        f.pci.configWrite(at + 8, 4, offset);
        f.pci.configWrite(at + 12, 4, length);
    }

    private long data(int width) {
        return f.pci.configRead(at + 16, width);
    }

    @Test
    void capabilityHasTheRightShape() {
        assertEquals(20, f.pci.configRead(at + 2, 1));
        assertEquals(0, f.pci.configRead(at + 12, 4));
        f.pci.configWrite(at, 4, -1);
        assertEquals(9, f.pci.configRead(at, 1));
        assertEquals(20, f.pci.configRead(at + 2, 1));
        assertEquals(5, f.pci.configRead(at + 3, 1));
    }

    @Test
    void drivesTheDevice() {
        select(4, 0x14, 1);
        f.pci.configWrite(at + 16, 1, 1);
        f.pci.configWrite(at + 16, 4, 3);
        assertEquals(3, f.status());
        assertEquals(3, data(1));
        select(4, 0x18, 2);
        assertEquals(64, data(2));
        select(4, 0x2000, 4);
        assertEquals(0x5566_7788L, data(4));
        select(4, 0, 4);
        f.pci.configWrite(at + 16, 4, 1);
        select(4, 4, 4);
        assertEquals(f.function.offeredFeatures() >>> 32, data(4));
    }

    @Test
    void shortReadsShowTheirPartAndTheRestIsZero() {
        select(4, 0x18, 2);
        assertEquals(64, data(4));
        assertEquals(0, f.pci.configRead(at + 17, 1));
        assertEquals(0, f.pci.configRead(at + 18, 2));
    }

    @Test
    void readsTheIsrOnceAndClearsIt() {
        f.goLive(0);
        f.device.config().change(c -> c.set(0, 8, 5));
        select(4, 0x1000, 1);
        assertEquals(2, data(1));
        assertEquals(0, data(1));
    }

    @Test
    void copyOfTheWholeSpaceHasNoEffect() {
        f.goLive(0);
        f.device.config().change(c -> c.set(0, 8, 5));
        select(4, 0x1000, 1);
        f.function.read(7, 0, 4096, Unpooled.buffer(4096));
        f.function.read(7, 0, 256, Unpooled.buffer(256));
        assertEquals(2, data(1), "still there");
    }

    @ParameterizedTest
    @CsvSource({
        "4, 0x2000, 0",
        "4, 0x2000, 3",
        "4, 0x2000, 8",
        "4, 0x2000, 0xffffffff",
        "4, 0x2000, 0x80000000",
        "4, 0x2001, 2",
        "4, 0x2002, 4", // not aligned
        "4, 0x4000, 1",
        "4, 0x3ffe, 4",
        "4, 0xfffffffc, 4",
        "4, 0xffffffff, 1",
        "4, 0x80000000, 4",
        "0, 0, 4",
        "1, 0, 4",
        "2, 0, 4",
        "3, 0, 4",
        "5, 0, 4",
        "6, 0, 4",
        "7, 0, 4",
        "255, 0x2000, 4",
    })
    void doesNothingForWhatIsNoAccess(int bar, String offset, String length) {
        f.device.config().set(0, 8, -1);
        f.pci.barWrite(1, 0, 4, 0x1234);
        select(bar, Long.decode(offset), Long.decode(length));
        assertEquals(0, data(4));
        f.pci.configWrite(at + 16, 4, 0xffff_ffffL);
        f.pci.configWrite(at + 17, 2, 0xffff_ffffL);
        assertEquals(0, data(4));
        assertEquals(0, f.status());
        assertEquals(0x1234, f.pci.barRead(1, 0, 4));
    }

    @Test
    void notifiesThroughTheWindow() {
        var ring = f.goLive(0);
        var out = new org.virtiobackend.swiotlb.driver.DmaBuffer[] {f.memory.allocate(16, 16)};
        ring.add(out, 1, out, 0);
        ring.publish();
        select(4, 0x3000, 2);
        f.pci.configWrite(at + 16, 2, 0);
        FunctionFixture.await("used", () -> ring.pollUsed() >= 0);
    }
}
