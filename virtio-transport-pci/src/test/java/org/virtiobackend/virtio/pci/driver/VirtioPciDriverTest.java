package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.NO_VECTOR;
import static org.virtiobackend.virtio.pci.FunctionFixture.awaitSignal;

import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.device.DeviceActivationException;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.TestDevice;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** The driver against the function, in one process. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class VirtioPciDriverTest {
    private static final long RING_FEATURES = VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX;

    private FunctionFixture f;
    private VirtioPciDriver driver;

    private void open(VirtioPciOptions options) throws Exception {
        f = new FunctionFixture(options);
        driver = VirtioPciDriver.open(f.pci);
    }

    @AfterEach
    void tearDown() throws Exception {
        driver.close();
        assertEquals(0, f.pci.configRead(4, 2) & 4, "bus mastering ends with the driver");
        f.close();
    }

    /** Sends a request of its own content and checks the answer. */
    private void roundTrip(DriverQueue queue, long content, EventFd interrupt) throws Exception {
        DmaBuffer[] out = {f.memory.allocate(64, 16), f.memory.allocate(8, 16)};
        DmaBuffer[] in = {f.memory.allocate(72, 16)};
        out[0].memory().putLong(out[0].offset() + 56, content);
        out[1].memory().putLong(out[1].offset(), ~content);
        int token = queue.ring().add(out, 2, in, 1);
        assertTrue(token >= 0);
        queue.publishAndKick();
        int used = queue.ring().pollUsed();
        while (used < 0) {
            if (interrupt == null || queue.ring().enableInterrupts()) {
                Thread.onSpinWait();
            } else {
                awaitSignal(interrupt);
                driver.pci().unmaskIntx();
            }
            used = queue.ring().pollUsed();
        }
        assertEquals(token, used);
        assertEquals(72, queue.ring().usedLength());
        assertEquals(content, in[0].memory().getLong(in[0].offset() + 56));
        assertEquals(~content, in[0].memory().getLong(in[0].offset() + 64));
        f.memory.free(in[0]);
        f.memory.free(out[0]);
        f.memory.free(out[1]);
    }

    @Test
    void initializesAndServesRequestsWithMsix() throws Exception {
        open(VirtioPciOptions.defaults());
        assertEquals(TestDevice.ID, driver.deviceId());
        assertEquals(3, driver.queueCount());
        long accepted = driver.negotiate(RING_FEATURES | TestDevice.FEATURE_A | VIRTIO_F_IN_ORDER);
        assertEquals(RING_FEATURES | TestDevice.FEATURE_A | VIRTIO_F_VERSION_1, accepted);
        assertEquals(accepted, driver.features());
        try (EventFd used = EventFd.create();
                EventFd changed = EventFd.create()) {
            driver.connectVector(0, changed);
            driver.connectVector(1, used);
            driver.setConfigVector(0);
            DriverQueue queue = driver.setupQueue(1, 32, f.memory, 1);
            assertEquals(32, queue.ring().size());
            driver.start();
            assertEquals(accepted, f.device.activatedWith);
            for (int i = 0; i < 500; i++) {
                roundTrip(queue, 0x1234_5678_9abc_0000L + i, used);
            }
            f.device.config().change(c -> c.set(0, 8, 77));
            assertEquals(1, awaitSignal(changed));
            assertEquals(77, driver.readConfig(0, 8));
            assertTrue(f.pci.postedWrites() > 0, "notifications are posted");
            driver.connectVector(1, null);
        }
    }

    @Test
    void servesRequestsWithIntx() throws Exception {
        open(VirtioPciOptions.defaults());
        driver.negotiate(0);
        try (EventFd pin = EventFd.create()) {
            driver.pci().connectIntx(pin);
            DriverQueue queue = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
            driver.start();
            for (int i = 0; i < 100; i++) {
                roundTrip(queue, i, null);
                awaitSignal(pin);
                assertEquals(1, driver.registers().isr() & 1);
            }
            driver.pci().connectIntx(null);
        }
    }

    @ParameterizedTest
    @ValueSource(
            longs = {
                0,
                VIRTIO_F_NOTIFICATION_DATA,
                VIRTIO_F_NOTIF_CONFIG_DATA,
                VIRTIO_F_NOTIFICATION_DATA | VIRTIO_F_NOTIF_CONFIG_DATA
            })
    void notifiesInEveryForm(long features) throws Exception {
        for (int multiplier : new int[] {0, 4, 64}) {
            open(VirtioPciOptions.defaults().withTransportFeatures(features).withNotifyMultiplier(multiplier));
            assertEquals(features | VIRTIO_F_VERSION_1, driver.negotiate(features));
            DriverQueue queue = driver.setupQueue(2, 16, f.memory, NO_VECTOR);
            driver.start();
            for (int i = 0; i < 40; i++) {
                roundTrip(queue, i, null);
            }
            if (multiplier != 64) {
                tearDown();
            }
        }
    }

    @Test
    void drivesPackedRings() throws Exception {
        open(VirtioPciOptions.defaults().withTransportFeatures(VIRTIO_F_RING_PACKED | RING_FEATURES));
        assertTrue((driver.negotiate(VIRTIO_F_RING_PACKED | RING_FEATURES) & VIRTIO_F_RING_PACKED) != 0);
        DriverQueue queue = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
        driver.start();
        for (int i = 0; i < 300; i++) {
            roundTrip(queue, i, null);
        }
    }

    @Test
    void resetsAndReusesAQueue() throws Exception {
        open(VirtioPciOptions.defaults());
        driver.negotiate(VIRTIO_F_RING_RESET);
        DriverQueue first = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
        driver.start();
        roundTrip(first, 1, null);
        driver.resetQueue(0);
        DriverQueue second = driver.setupQueue(0, 8, f.memory, NO_VECTOR);
        assertEquals(8, second.ring().size());
        for (int i = 0; i < 20; i++) {
            roundTrip(second, i, null);
        }
        driver.negotiate(0);
        assertThrows(VirtioDriverException.class, () -> driver.resetQueue(0));
    }

    @Test
    void startsOverAfterAReset() throws Exception {
        open(VirtioPciOptions.defaults());
        for (int i = 0; i < 5; i++) {
            driver.negotiate(RING_FEATURES);
            DriverQueue queue = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
            driver.start();
            roundTrip(queue, i, null);
        }
        assertEquals(5, f.device.activations);
    }

    @Test
    void givesBarsAddressesAndKeepsThoseTheyHave() throws Exception {
        open(VirtioPciOptions.defaults());
        assertEquals(6, f.pci.configRead(4, 2) & 6);
        long msix = f.pci.configRead(0x14, 4);
        long registers = f.pci.configRead(0x20, 4);
        assertEquals(0xe000_0000L, msix);
        assertEquals(0xe000_4000L, registers, "aligned to its size");
        VirtioPciDriver.open(f.pci, 0x1000_0000L, 0x100_0000_0000L);
        assertEquals(msix, f.pci.configRead(0x14, 4));
        f.pci.configWrite(0x20, 4, 0);
        VirtioPciDriver.open(f.pci, 0x1000_0000L, 0x100_0000_0000L);
        assertEquals(0x1000_0000L, f.pci.configRead(0x20, 4));
    }

    @Test
    void refusedFeaturesAreAnExceptionAndFailedIsSet() throws Exception {
        open(VirtioPciOptions.defaults());
        f.device.accept = features -> false;
        VirtioDriverException e = assertThrows(VirtioDriverException.class, () -> driver.negotiate(VIRTIO_F_EVENT_IDX));
        assertTrue(e.getMessage().contains("EVENT_IDX VERSION_1"), e.getMessage());
        assertEquals(0x80, driver.registers().status() & 0x88);
    }

    @Test
    void deviceThatDoesNotStartIsAnException() throws Exception {
        open(VirtioPciOptions.defaults());
        assertThrows(VirtioDriverException.class, driver::start, "before FEATURES_OK");
        driver.negotiate(0);
        f.device.failActivation = new DeviceActivationException("no");
        assertThrows(VirtioDriverException.class, driver::start);
        assertTrue(driver.needsReset());
        driver.reset();
        assertFalse(driver.needsReset());
    }

    @Test
    void mappingToAVectorThatDoesNotExistIsAnException() throws Exception {
        open(VirtioPciOptions.defaults().withMsixVectors(1));
        assertThrows(VirtioDriverException.class, () -> driver.setConfigVector(1));
        assertThrows(VirtioDriverException.class, () -> driver.connectVector(1, null));
        driver.negotiate(0);
        assertThrows(VirtioDriverException.class, () -> driver.setupQueue(0, 64, f.memory, 1));
        assertThrows(VirtioDriverException.class, () -> driver.setupQueue(3, 64, f.memory, NO_VECTOR));
    }

    @Test
    void configurationIsReadAgainWhenItChanges() throws Exception {
        open(VirtioPciOptions.defaults());
        AtomicInteger reads = new AtomicInteger();
        long value = driver.readConfig(r -> {
            long low = r.device(0, 4);
            if (reads.incrementAndGet() < 4) {
                f.device.config().change(c -> c.set(0, 8, 0x1111_1111_1111_1111L * reads.get()));
            }
            return low | r.device(4, 4) << 32;
        });
        assertEquals(4, reads.get());
        assertEquals(0x3333_3333_3333_3333L, value);
        assertThrows(
                VirtioDriverException.class,
                () -> driver.readConfig(r -> {
                    f.device.config().change(c -> c.set(0, 1, 1));
                    return r.device(0, 1);
                }));
        assertThrows(VirtioDriverException.class, () -> driver.readConfig(13, 4), "beyond the structure");
    }

    @Test
    void deviceWithoutRegionHasNone() throws Exception {
        open(VirtioPciOptions.defaults());
        assertNull(driver.region());
    }
}
