package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.CONFIG_GENERATION;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class DeviceConfigTest {
    private FunctionFixture f;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    private long read(int offset, int width) {
        return f.pci.barRead(4, 0x2000 + offset, width);
    }

    private long generation() {
        return f.common(CONFIG_GENERATION, 1);
    }

    @Test
    void readsAnyWidthAndZeroBehind() {
        assertEquals(0x88, read(0, 1));
        assertEquals(0x5566, read(2, 2));
        assertEquals(0x1122_3344L, read(4, 4));
        assertEquals(0x1122_3344_5566_7788L, read(0, 8));
        assertEquals(0x0d11_2233L, read(5, 4));
        assertEquals(0x0bad_beefL, read(12, 8));
        assertEquals(0, read(16, 8));
        assertEquals(0, read(0xff8, 8));
    }

    @Test
    void writesOnlyWhatTheDeviceAllows() {
        List<String> written = new ArrayList<>();
        f.device.config().onDriverWrite((offset, length) -> written.add(offset + "+" + length));
        f.pci.barWrite(4, 0x2008, 4, 0x0102_0304);
        assertEquals(0x0102_0304, read(8, 4));
        f.pci.barWrite(4, 0x2000, 8, -1);
        assertEquals(0x1122_3344_5566_7788L, read(0, 8));
        f.pci.barWrite(4, 0x2006, 4, 0xaabb_ccddL);
        assertEquals(0x0102_aabb_1122L, read(6, 6));
        assertEquals(List.of("8+4", "6+4"), written);
    }

    @Test
    void generationMovesWithAChangeAndOnlyThen() {
        long first = generation();
        assertEquals(first, generation());
        read(0, 8);
        f.pci.barWrite(4, 0x2008, 4, 7);
        assertEquals(first, generation(), "a driver's write is no change by the device");
        f.device.config().change(c -> c.set(0, 8, 1));
        assertNotEquals(first, generation());
    }

    /** A multiple of 256 changes between two looks must show. */
    @Test
    void generationNeverComesAroundUnnoticed() {
        for (int changes : new int[] {1, 255, 256, 257, 512}) {
            long before = generation();
            read(0, 4);
            for (int i = 0; i < changes; i++) {
                f.device.config().change(c -> c.set(0, 8, System.nanoTime()));
            }
            read(4, 4);
            assertNotEquals(before, generation(), changes + " changes");
        }
    }

    @Test
    void generationWrapsAtEightBits() {
        for (int i = 0; i < 300; i++) {
            f.device.config().change(c -> c.set(0, 8, 1));
            assertEquals(i + 1 & 0xff, generation());
        }
    }
}
