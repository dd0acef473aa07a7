package org.virtiobackend.virtio.pci.driver;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.virtio.VirtioFeature.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;
import static org.virtiobackend.virtio.pci.FunctionFixture.await;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.pci.driver.PciBus;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.pci.FunctionFixture;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** Rows of the hostile driver list that need a whole function, in either ring layout. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class HostileRingsTest {
    private FunctionFixture f;
    private VirtioPciDriver driver;

    private DriverQueue open(long features) throws Exception {
        if (f == null) {
            f = new FunctionFixture(
                    VirtioPciOptions.defaults().withTransportFeatures(VirtioPciOptions.SUPPORTED_FEATURES));
            driver = VirtioPciDriver.open(f.pci);
        }
        driver.negotiate(features);
        DriverQueue queue = driver.setupQueue(0, 16, f.memory, NO_VECTOR);
        driver.start();
        return queue;
    }

    @AfterEach
    void tearDown() throws Exception {
        f.device.finishAll();
        f.close();
    }

    private void serves(DriverQueue queue) throws Exception {
        DmaBuffer[] buffers = {f.memory.allocate(16, 16)};
        int token = queue.ring().add(buffers, 1, buffers, 1);
        queue.publishAndKick();
        await("used", () -> queue.ring().pollUsed() == token);
    }

    /** The driver's ring says that work is there for ever and takes none of it back. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED, VIRTIO_F_IN_ORDER, VIRTIO_F_RING_PACKED | VIRTIO_F_IN_ORDER})
    void row9WorkInFlightIsBoundedByTheRing(long features) throws Exception {
        DriverQueue queue = open(features);
        f.device.hold = true;
        DmaBuffer[] buffers = {f.memory.allocate(16, 16)};
        while (queue.ring().add(buffers, 1, buffers, 0) >= 0) {
            queue.ring().publish();
        }
        for (int i = 0; i < 1000; i++) {
            queue.kick();
        }
        await("all taken", () -> f.device.held.size() == 16);
        for (int i = 0; i < 1000; i++) {
            queue.kick();
        }
        assertEquals(16, f.device.held.size());
        f.device.finishAll();
        await("all back", () -> queue.ring().pollUsed() >= 0);
    }

    /** Row 16: buffers and rings in the device's own registers are no memory: nothing is written there, and none of it is read. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void row16BuffersInTheOwnRegisters(long layout) throws Exception {
        for (int bar : new int[] {1, 4}) {
            for (long offset : new long[] {0, 0x14, 0x2008, 0x3000}) {
                DriverQueue queue = open(layout);
                long kicks = f.function.statistics()[0].kicks();
                long address = PciBus.address(f.pci, bar) + offset;
                DmaBuffer from = f.memory.allocate(16, 16);
                long[] addresses = {from.dmaAddress(), address};
                assertEquals(0, queue.ring().add(addresses, new int[] {4, 4}, 1, 1) & ~0xf);
                queue.ring().publish();
                queue.kick();
                await("needs reset", () -> (f.status() & 0x40) != 0);
                assertEquals(kicks + 1, f.function.statistics()[0].kicks(), "no doorbell rang");
                assertEquals(0xcafe_f00dL, driver.registers().device(8, 4));
                serves(open(layout));
            }
        }
        driver.reset();
        driver.negotiate(layout);
        driver.registers().selectQueue(0);
        for (int field : new int[] {QUEUE_DESC, QUEUE_DRIVER, QUEUE_DEVICE}) {
            driver.registers().common64(field, PciBus.address(f.pci, 4) + 0x3000);
        }
        driver.registers().common(QUEUE_ENABLE, 2, 1);
        driver.setStatus(4);
        assertEquals(0x40, f.status() & 0x40);
        serves(open(layout));
    }

    /** One worker serves both queues; the driver keeps one of them full all the time. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_F_RING_PACKED})
    void row40AQueueThatIsNeverEmptyStarvesNoOther(long layout) throws Exception {
        f = new FunctionFixture(VirtioPciOptions.defaults().withTransportFeatures(VirtioPciOptions.SUPPORTED_FEATURES));
        driver = VirtioPciDriver.open(f.pci);
        driver.negotiate(layout);
        DriverQueue greedy = driver.setupQueue(0, 64, f.memory, NO_VECTOR);
        DriverQueue modest = driver.setupQueue(1, 16, f.memory, NO_VECTOR);
        DmaBuffer[] buffers = {f.memory.allocate(16, 16)};
        driver.start();
        Thread refill = new Thread(() -> {
            while (!Thread.currentThread().isInterrupted()) {
                boolean added = false;
                while (greedy.ring().add(buffers, 1, buffers, 0) >= 0) {
                    added = true;
                }
                if (added) {
                    greedy.ring().publish();
                }
                while (greedy.ring().pollUsed() >= 0) {
                    // makes room
                }
            }
        });
        refill.start();
        try {
            for (int i = 0; i < 300; i++) {
                serves(modest);
            }
        } finally {
            refill.interrupt();
            refill.join();
        }
    }

    /** Row 38: there are no virtual functions to ask for. */
    @Test
    void row38NoVirtualFunctions() throws Exception {
        serves(open(0));
        assertEquals(0, driver.offeredFeatures() & (VIRTIO_F_SR_IOV | VIRTIO_F_ADMIN_VQ));
        assertEquals(0, f.pci.configRead(0x100, 4), "no extended capability");
        assertEquals(0, driver.registers().common(ADMIN_QUEUE_NUM, 2));
    }
}
