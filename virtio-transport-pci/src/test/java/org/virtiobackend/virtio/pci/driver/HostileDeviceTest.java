package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.pci.driver.PciCapabilities;
import org.virtiobackend.virtio.pci.FunctionFixture;

/** The driver against devices that lie: it gives up with a clear exception and never hangs. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class HostileDeviceTest {
    private FunctionFixture f;
    private TamperedDevice device;

    @BeforeEach
    void setUp() throws Exception {
        f = new FunctionFixture();
        device = new TamperedDevice(f.pci);
    }

    @AfterEach
    void tearDown() {
        f.close();
    }

    private int cap(int type) {
        return f.capability(9, type);
    }

    private void assertRefused(String words) {
        IOException e = assertThrows(VirtioDriverException.class, () -> VirtioPciDriver.open(device));
        assertTrue(e.getMessage().contains(words), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"0, 0x8086", "2, 0x1000", "2, 0x1001", "2, 0x103f", "2, 0x1040", "2, 0x1080", "2, 0xffff"})
    void isNoModernVirtioDevice(int offset, int value) {
        device.config(offset, 2, value);
        assertRefused("no modern virtio device");
    }

    @Test
    void capabilityListThatLeadsNowhere() {
        device.config(6, 2, 0);
        assertRefused("common configuration, notification, ISR");
        device.config(6, 2, 0x10).config(0x34, 1, 0);
        assertRefused("common configuration, notification, ISR");
        device.config(0x34, 1, 0x3c);
        assertRefused("common configuration, notification, ISR");
    }

    @Test
    void capabilityListThatLoops() throws Exception {
        int last = cap(5);
        device.config(last + 1, 1, 0x40);
        assertEquals(8, PciCapabilities.list(device).size());
        device.config(last + 1, 1, last);
        assertEquals(8, PciCapabilities.list(device).size());
        device.config(last + 1, 1, last | 3);
        assertEquals(8, PciCapabilities.list(device).size());
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            assertEquals(3, driver.queueCount());
        }
    }

    @Test
    void capabilityListOfNothingButLinks() throws Exception {
        for (int at = 0x40; at < 0x100; at++) {
            device.config(at, 1, at % 4 == 1 ? at + 3 : 9);
        }
        assertEquals(48, PciCapabilities.list(device).size());
        assertRefused("common configuration");
    }

    @Test
    void capabilityAtTheVeryEnd() throws Exception {
        device.config(cap(5) + 1, 1, 0xfc).config(0xfc, 4, 0x0110_0009L);
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            assertEquals(3, driver.queueCount());
        }
    }

    /** Each lie makes the common configuration unusable: field offset in the capability, width, value. */
    @ParameterizedTest
    @CsvSource({
        "2, 1, 0",
        "2, 1, 15", // too short
        "2, 1, 255", // beyond the conventional space
        "3, 1, 0",
        "3, 1, 11",
        "3, 1, 255", // reserved type
        "4, 1, 6",
        "4, 1, 255",
        "4, 1, 0", // reserved BAR, absent BAR
        "8, 4, 0x4000",
        "8, 4, 0xffffffff",
        "8, 4, 0x80000000", // outside the BAR
        "12, 4, 0x37",
        "12, 4, 0",
        "12, 4, 0x4001",
        "12, 4, 0xffffffff", // too small, too large
    })
    void commonConfigurationThatIsNone(int field, int width, String value) {
        device.config(cap(1) + field, width, Long.decode(value));
        assertRefused("common configuration");
    }

    @Test
    void firstUsableCapabilityOfATypeCounts() throws Exception {
        device.config(cap(1) + 4, 1, 9);
        int second = 0xe0;
        int last = cap(5);
        device.config(last + 1, 1, second).config(second, 4, 0x0110_0009L).config(second + 4, 4, 4);
        device.config(second + 8, 4, 0).config(second + 12, 4, 0x40);
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            assertEquals(3, driver.queueCount());
        }
    }

    @Test
    void barThatTheClientDoesNotHave() {
        device.barSize(4, 0);
        assertRefused("common configuration, notification, ISR");
    }

    @Test
    void sharedMemoryBeyondItsBarDoesNotCount() throws Exception {
        int at = 0xe0;
        device.config(cap(5) + 1, 1, at).config(at, 4, 0x0818_0009L).config(at + 4, 4, 0x0704);
        device.config(at + 8, 8, 0x4000_0000_0000L).config(at + 16, 8, 0xffff_ffff_ffff_ffffL);
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            assertTrue(driver.structures().sharedMemory().isEmpty());
            assertNull(driver.region());
        }
    }

    @Test
    void resetThatNeverEnds() throws Exception {
        VirtioPciDriver driver = VirtioPciDriver.open(device);
        driver.setResetTimeout(50, TimeUnit.MILLISECONDS);
        device.register(DEVICE_STATUS, 1, 0xff);
        VirtioDriverException e = assertThrows(VirtioDriverException.class, driver::reset);
        assertTrue(e.getMessage().contains("reset"), e.getMessage());
    }

    @Test
    void offerBeyond64BitsIsIgnored() throws Exception {
        device.register(DEVICE_FEATURE, 4, 0xffff_ffffL);
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            assertEquals(-1, driver.offeredFeatures());
            assertEquals(0xffff_ffffL, driver.registers().deviceFeatures(2));
            assertEquals(1L << 32, driver.negotiate(0));
        }
    }

    @Test
    void deviceWithoutVersion1() throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            device.register(DEVICE_FEATURE, 4, 0);
            assertThrows(VirtioDriverException.class, () -> driver.negotiate(-1));
            assertEquals(0x80, driver.registers().status() & 0x80);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 48, 0x8001, 0xffff})
    void queueOfNoSize(int size) throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            driver.negotiate(0);
            device.register(QUEUE_SIZE, 2, size);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32768, f.memory, NO_VECTOR));
        }
    }

    @Test
    void queueThatKeepsItsSize() throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            driver.negotiate(0);
            device.register(QUEUE_SIZE, 2, 64);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32, f.memory, NO_VECTOR));
        }
    }

    @Test
    void queueThatIsNotEnabled() throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            driver.negotiate(0);
            device.register(QUEUE_ENABLE, 2, 0);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32, f.memory, NO_VECTOR));
        }
    }

    @Test
    void notificationOutsideItsStructure() throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            driver.negotiate(0);
            device.register(QUEUE_NOTIFY_OFF, 2, 0x400);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32, f.memory, NO_VECTOR));
            device.register(QUEUE_NOTIFY_OFF, 2, 0xffff);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32, f.memory, NO_VECTOR));
        }
        device.config(cap(2) + 16, 4, 0xffff_ffffL);
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            driver.negotiate(0);
            assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 32, f.memory, NO_VECTOR));
        }
    }

    @Test
    void readsBeyondAStructureAreRefusedHere() throws Exception {
        try (VirtioPciDriver driver = VirtioPciDriver.open(device)) {
            VirtioRegisters registers = driver.registers();
            long before = device.reads();
            assertThrows(VirtioDriverException.class, () -> registers.common(0x40, 1));
            assertThrows(VirtioDriverException.class, () -> registers.common(0x3d, 4));
            assertThrows(VirtioDriverException.class, () -> registers.common(-1, 1));
            assertThrows(VirtioDriverException.class, () -> registers.device(16, 1, 0));
            assertEquals(before, device.reads());
        }
    }
}
