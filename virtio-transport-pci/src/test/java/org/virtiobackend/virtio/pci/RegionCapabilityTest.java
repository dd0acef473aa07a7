package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.RestrictedDma.*;

import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;

/** Device-local memory as a BAR, and what announces it. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class RegionCapabilityTest {
    private static final long SIZE = 1 << 20;

    private FunctionFixture f;
    private MemFd memFd;
    private Mapping mapping;
    private BarWindow window;

    /** Shows a region; the device works on plain memory all the same. */
    private final class RegionPolicy implements DmaPolicy {
        private final DmaMap map = new DmaMap();
        private final Region region;
        private final long features;

        RegionPolicy(Region region, long features) {
            this.region = region;
            this.features = features;
        }

        @Override
        public long offeredFeatures() {
            return features;
        }

        @Override
        public boolean acceptFeatures(long accepted) {
            return true;
        }

        @Override
        public Supplier<DmaSpace> spaces(long accepted, BarWindow barWindow) {
            window = barWindow;
            return map::newSpace;
        }

        @Override
        public Region region() {
            return region;
        }
    }

    private void open(boolean swiotlb, boolean shared, long features) throws Exception {
        memFd = MemFd.create("region-test", SIZE);
        mapping = Mapping.map(memFd.fd(), 0, SIZE, Mapping.PROT_READ | Mapping.PROT_WRITE);
        PciRegion bar = new PciRegion(SIZE, memFd.fd());
        DmaPolicy.Region region = new DmaPolicy.Region(bar, mapping, 7, swiotlb, shared);
        f = new FunctionFixture(
                new TestDevice(64, 64), VirtioPciOptions.defaults(), new RegionPolicy(region, features));
    }

    @AfterEach
    void tearDown() {
        f.close();
        if (mapping != null) {
            mapping.close();
            memFd.close();
        }
    }

    @Test
    void nothingIsShownWithoutARegion() throws Exception {
        f = new FunctionFixture();
        assertEquals(-1, f.capability(9, VIRTIO_PCI_CAP_SWIOTLB));
        assertEquals(-1, f.capability(9, 8));
        assertEquals(0x40, f.pci.configRead(f.capability(9, 1) + 12, 4));
        assertEquals(0, f.common(DMB_SHM_ID_OFFSET, 2));
        assertSame(PciRegion.ABSENT, f.function.region(2));
        f.pci.configWrite(0x18, 8, -1);
        assertEquals(0, f.pci.configRead(0x18, 8));
    }

    @Test
    void bothProposalsNameTheSameMemory() throws Exception {
        open(true, true, VIRTIO_F_SWIOTLB | VIRTIO_F_DMB);
        int swiotlb = f.capability(9, VIRTIO_PCI_CAP_SWIOTLB);
        assertEquals(16, f.pci.configRead(swiotlb + 2, 1));
        assertEquals(2, f.pci.configRead(swiotlb + 4, 1));
        assertEquals(0, f.pci.configRead(swiotlb + 8, 4));
        assertEquals(SIZE, f.pci.configRead(swiotlb + 12, 4));
        int shared = f.capability(9, 8);
        assertEquals(24, f.pci.configRead(shared + 2, 1));
        assertEquals(2, f.pci.configRead(shared + 4, 1));
        assertEquals(7, f.pci.configRead(shared + 5, 1));
        assertEquals(0, f.pci.configRead(shared + 8, 4));
        assertEquals(SIZE, f.pci.configRead(shared + 12, 4));
        assertEquals(0, f.pci.configRead(shared + 16, 8));
        assertEquals(7, f.common(DMB_SHM_ID_OFFSET, 2));
        f.common(DMB_SHM_ID_OFFSET, 2, 9);
        assertEquals(7, f.common(DMB_SHM_ID_OFFSET, 2), "read-only");
        assertTrue(f.pci.configRead(f.capability(9, 1) + 12, 4) >= DMB_SHM_ID_OFFSET + 2);
        assertSame(memFd.fd(), f.function.region(2).memory());
    }

    @ParameterizedTest
    @CsvSource({"true, false", "false, true", "false, false"})
    void eachCapabilityIsShownOnlyWhenWanted(boolean swiotlb, boolean shared) throws Exception {
        open(swiotlb, shared, 0);
        assertEquals(swiotlb, f.capability(9, VIRTIO_PCI_CAP_SWIOTLB) > 0);
        assertEquals(shared, f.capability(9, 8) > 0);
        assertEquals(shared ? 7 : 0, f.common(DMB_SHM_ID_OFFSET, 2));
        assertEquals(SIZE, f.function.region(2).size(), "the BAR is there in any case");
    }

    @Test
    void messagesReachTheSameMemory() throws Exception {
        open(true, true, 0);
        f.pci.barWrite(2, SIZE - 8, 8, 0x0102_0304_0506_0708L);
        assertEquals(0x0102_0304_0506_0708L, mapping.window(SIZE - 8).getLong((int) SIZE - 8));
        mapping.window(0).putInt(12, 99);
        assertEquals(99, f.pci.barRead(2, 12, 4));
        int at = f.capability(9, 5);
        f.pci.configWrite(at + 4, 1, 2);
        f.pci.configWrite(at + 8, 4, 12);
        f.pci.configWrite(at + 12, 4, 4);
        assertEquals(99, f.pci.configRead(at + 16, 4), "and the PCI_CFG window");
    }

    @Test
    void policyFollowsTheBarThroughItsWindow() throws Exception {
        open(true, true, 0);
        f.enableBusMaster();
        f.negotiate(FunctionFixture.VERSION_1);
        f.driverOk();
        assertEquals(SIZE, window.size());
        assertFalse(window.decodes());
        f.pci.configWrite(0x18, 4, 0x1000_0000L);
        f.pci.configWrite(0x1c, 4, 0x80);
        assertEquals(0x80_1000_0000L, window.base());
        f.pci.configWrite(0x18, 4, 0xffff_ffffL);
        assertEquals(0x80_fff0_0000L, window.base(), "sizing with decoding on is briefly live");
        f.pci.configWrite(0x18, 4, 0x1000_0000L);
        f.command(4);
        assertFalse(window.decodes());
        f.enableBusMaster();
        assertEquals(0x80_1000_0000L, window.base());
        f.function.reset();
        assertFalse(window.decodes());
        assertEquals(0xc, f.pci.configRead(0x18, 8));
    }
}
