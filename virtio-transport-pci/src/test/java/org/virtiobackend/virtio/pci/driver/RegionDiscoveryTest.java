package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.virtio.RestrictedDma.*;

import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.dma.DmaSpace;
import org.virtiobackend.pci.BarWindow;
import org.virtiobackend.pci.PciRegion;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.virtio.pci.DmaPolicy;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.TestDevice;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class RegionDiscoveryTest {
    private static final long SIZE = 1 << 20;

    private record Policy(Region region, long offeredFeatures) implements DmaPolicy {
        @Override
        public boolean acceptFeatures(long features) {
            return true;
        }

        @Override
        public Supplier<DmaSpace> spaces(long features, BarWindow window) {
            return new DmaMap()::newSpace;
        }
    }

    /** shmId -1: not found as DMB. */
    @ParameterizedTest
    @CsvSource({
        "true,  true,  0x100008000000, true,  9",
        "true,  true,  0x8000000,      true,  -1", // a register that the device does not offer to use
        "true,  false, 0x8000000,      true,  -1",
        "false, true,  0x100000000000, false, 9",
        "true,  false, 0,              true,  -1", // the hint
    })
    void findsWhatTheDeviceAnnounces(boolean capability, boolean shared, String offered, boolean swiotlb, int shmId)
            throws Exception {
        try (MemFd memFd = MemFd.create("discovery-test", SIZE);
                Mapping mapping = Mapping.map(memFd.fd(), 0, SIZE, Mapping.PROT_READ | Mapping.PROT_WRITE)) {
            DmaPolicy.Region region =
                    new DmaPolicy.Region(new PciRegion(SIZE, memFd.fd()), mapping, 9, capability, shared);
            Policy policy = new Policy(region, Long.decode(offered));
            try (FunctionFixture f = new FunctionFixture(new TestDevice(64), VirtioPciOptions.defaults(), policy);
                    VirtioPciDriver driver = VirtioPciDriver.open(f.pci);
                    Mapping mapped = driver.pci().mapBar(2)) {
                DeviceRegion found = driver.region();
                assertEquals(new DeviceRegion(2, 0, SIZE, 0x80_0000_0000L, swiotlb, shmId), found);
                assertEquals(shmId >= 0, found.dmb());
                mapped.window(4096).putInt(4096, 0x600d);
                assertEquals(0x600d, mapping.window(4096).getInt(4096));
                assertEquals(
                        VIRTIO_F_SWIOTLB & policy.offeredFeatures(),
                        driver.negotiate(VIRTIO_F_SWIOTLB) & VIRTIO_F_SWIOTLB);
            }
        }
    }
}
