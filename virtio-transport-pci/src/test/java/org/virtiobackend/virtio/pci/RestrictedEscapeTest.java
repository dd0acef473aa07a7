package org.virtiobackend.virtio.pci;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.virtio.DeviceStatus.*;
import static org.virtiobackend.virtio.RestrictedDma.VIRTIO_F_DMB;
import static org.virtiobackend.virtio.RestrictedDma.VIRTIO_F_SWIOTLB;
import static org.virtiobackend.virtio.queue.SplitLayout.*;

import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.InProcessPciDevice;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.driver.DriverQueue;
import org.virtiobackend.virtio.pci.driver.VirtioDriverException;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** Row 41 of the attack list: every way out of the region ends in DEVICE_NEEDS_RESET, counted, with nothing touched. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class RestrictedEscapeTest {
    private static final long REGION_BYTES = 1 << 20;
    private static final long GUEST_BASE = 0x1000_0000L;
    private static final long GUEST_BYTES = 1 << 20;
    private static final int NO_VECTOR = 0xffff;
    private static final int BAR2 = 0x18;
    private static final byte SECRET = 0x5a;

    /** How the driver names places in the region. */
    enum Mode {
        SWIOTLB(VIRTIO_F_SWIOTLB),
        DMB(VIRTIO_F_DMB);

        final long feature;

        Mode(long feature) {
            this.feature = feature;
        }
    }

    private DmaMap dmaMap;
    private MemFd guestRam;
    private BarMemory region;
    private WorkerPool pool;
    private VirtioPciFunction function;
    private InProcessPciDevice pci;
    private VirtioPciDriver driver;
    private Mapping guestView;
    private Mapping regionView;
    private BouncePool memory;
    private DriverQueue queue;
    private long base;

    private void open(RegionPolicy.Kind kind, long feature, long ringFeatures) throws Exception {
        dmaMap = new DmaMap();
        region = BarMemory.create(REGION_BYTES);
        RegionPolicy policy = new RegionPolicy(kind, region, dmaMap, 1);
        guestRam = MemFd.create("guest", GUEST_BYTES);
        guestView = Mapping.map(guestRam.fd(), 0, GUEST_BYTES, 3);
        for (int i = 0; i < GUEST_BYTES; i++) {
            guestView.window(0).put(i, SECRET);
        }
        dmaMap.map(GUEST_BASE, GUEST_BYTES, true, true, guestRam.fd().duplicate(), 0);
        pool = new WorkerPool(1, 0);
        function = new VirtioPciFunction(new TestDevice(64), policy, pool, VirtioPciOptions.defaults());
        dmaMap.setUser(function);
        pci = new InProcessPciDevice(function);
        driver = VirtioPciDriver.open(pci);
        regionView = pci.mapBar(VirtioPciFunction.REGION_BAR);
        base = pci.configRead(BAR2, 4) & ~0xfL | pci.configRead(BAR2 + 4, 4) << 32;
        if (feature != 0) {
            driver.negotiate(feature | ringFeatures | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM);
            memory = new BouncePool(regionView, feature == VIRTIO_F_DMB ? 0 : base, 1);
        }
    }

    private void start() throws Exception {
        queue = driver.setupQueue(0, 64, memory, NO_VECTOR);
        driver.start();
    }

    @AfterEach
    void close() {
        if (function != null) {
            function.close();
            pool.close();
            dmaMap.close();
            region.close();
            regionView.close();
            guestView.close();
            guestRam.close();
        }
    }

    private void request(long outAddress, long outLength, long inAddress, long inLength) throws Exception {
        SplitDriverQueue ring = (SplitDriverQueue) queue.ring();
        descriptor(ring, 0, outAddress, outLength, VIRTQ_DESC_F_NEXT, 1);
        descriptor(ring, 1, inAddress, inLength, VIRTQ_DESC_F_WRITE, 0);
        int next = ring.avail().getU16(IDX);
        ring.avail().putU16(RING + 2 * (next % 64), 0);
        ring.avail().putU16Release(IDX, next + 1);
        queue.kick();
    }

    private static void descriptor(SplitDriverQueue ring, int at, long address, long length, int flags, int next) {
        ring.desc().putU64(at * 16, address);
        ring.desc().putU32(at * 16 + 8, length);
        ring.desc().putU16(at * 16 + 12, flags);
        ring.desc().putU16(at * 16 + 14, next);
    }

    private void serves() throws Exception {
        DmaBuffer out = memory.allocate(64, 16);
        DmaBuffer in = memory.allocate(64, 16);
        out.memory().putLong(out.offset(), 0x1234_5678_9abcL);
        SplitDriverQueue ring = (SplitDriverQueue) queue.ring();
        int before = ring.used().getU16Acquire(IDX);
        request(out.dmaAddress(), 64, in.dmaAddress(), 64);
        FunctionFixture.await("the request", () -> ring.used().getU16Acquire(IDX) != before);
        assertEquals(0x1234_5678_9abcL, in.memory().getLong(in.offset()));
    }

    /** Nothing outside was read into the region or written, and the driver is told. */
    private void refused(long faultsBefore) throws Exception {
        FunctionFixture.await("DEVICE_NEEDS_RESET", () -> (function.deviceStatus() & DEVICE_NEEDS_RESET) != 0);
        assertTrue(driver.needsReset());
        assertEquals(faultsBefore + 1, function.dmaFaults());
        assertEquals(0, dmaMap.mappedBytes());
        ByteBuffer guest = guestView.window(0);
        for (int i = 0; i < GUEST_BYTES; i++) {
            if (guest.get(i) != SECRET) {
                throw new AssertionError("guest memory was written at " + i);
            }
        }
        ByteBuffer inside = regionView.window(0);
        for (int i = 0; i < REGION_BYTES - 8; i += 8) {
            assertNotEquals(0x5a5a_5a5a_5a5a_5a5aL, inside.getLong(i), "guest memory in the region");
        }
    }

    private long inside(Mode mode) {
        DmaBuffer buffer = memory.allocate(64, 16);
        assertTrue(mode == Mode.DMB ? buffer.dmaAddress() > 0 : buffer.dmaAddress() > base);
        return buffer.dmaAddress();
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void addressesOutsideTheRegion(Mode mode) throws Exception {
        open(RegionPolicy.Kind.RESTRICTED, mode.feature, 0);
        long start = mode == Mode.DMB ? 0 : base;
        long end = start + REGION_BYTES;
        long bar4 = pci.configRead(0x20, 4) & ~0xfL;
        long bar1 = pci.configRead(0x14, 4) & ~0xfL;
        long[][] bad = {
            {GUEST_BASE, 64}, // guest RAM
            {GUEST_BASE + GUEST_BYTES - 64, 64},
            {bar4, 64}, // the register BAR
            {bar4 + 0x3000, 4}, // its own notification register
            {bar1, 16}, // the MSI-X table
            {end, 1}, // just behind the region
            {end - 1, 2}, // straddling its end
            {end - 64, 0xffff_0000L},
            {start - 1, 2}, // straddling its start
            {-1L, 1},
            {-1L, 2}, // overflowing
            {-REGION_BYTES, 0xffff_0000L},
            {start + (1L << 32), 64}, // the same low half
            {start + (1L << 63), 64}, // the sign
            {0, 64}, // offset 0, bus address 0
            {mode == Mode.DMB ? base + 4096 : 4096, 64}, // the other mode's name for an inside place
        };
        long faults = 0;
        for (long[] range : bad) {
            for (boolean write : new boolean[] {false, true}) {
                start();
                serves();
                long good = inside(mode);
                if (write) {
                    request(good, 64, range[0], range[1]);
                } else {
                    request(range[0], range[1], good, 64);
                }
                refused(faults++);
                driver.reset();
                driver.negotiate(mode.feature | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM);
                memory = new BouncePool(regionView, mode == Mode.DMB ? 0 : base, 1);
            }
        }
        assertTrue(faults >= 30);
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void indirectTablesOutsideAndEntriesThatPointOutside(Mode mode) throws Exception {
        long indirect = VirtioFeature.VIRTIO_F_INDIRECT_DESC;
        for (boolean tableInside : new boolean[] {false, true}) {
            open(RegionPolicy.Kind.RESTRICTED, mode.feature, indirect);
            start();
            SplitDriverQueue ring = (SplitDriverQueue) queue.ring();
            DmaBuffer table = memory.allocate(16, 16);
            table.memory().putLong(table.offset(), GUEST_BASE).putInt(table.offset() + 8, 64);
            long address = tableInside ? table.dmaAddress() : GUEST_BASE;
            descriptor(ring, 0, address, 16, VIRTQ_DESC_F_INDIRECT, 0);
            ring.avail().putU16(RING, 0);
            ring.avail().putU16Release(IDX, 1);
            queue.kick();
            refused(0);
            close();
        }
        function = null;
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void ringsOutsideWithDataInside(Mode mode) throws Exception {
        open(RegionPolicy.Kind.RESTRICTED, mode.feature, 0);
        for (int area = 0; area < 3; area++) {
            SplitDriverQueue ring = SplitDriverQueue.create(0, 64, 0, memory);
            long[] addresses = {ring.queueDesc(), ring.queueDriver(), ring.queueDevice()};
            addresses[area] = GUEST_BASE;
            pci.barWrite(4, CommonConfigLayout.QUEUE_SELECT, 2, 0);
            pci.barWrite(4, CommonConfigLayout.QUEUE_SIZE, 2, 64);
            int[] registers = {
                CommonConfigLayout.QUEUE_DESC, CommonConfigLayout.QUEUE_DRIVER, CommonConfigLayout.QUEUE_DEVICE
            };
            for (int i = 0; i < 3; i++) {
                pci.barWrite(4, registers[i], 4, addresses[i] & 0xffff_ffffL);
                pci.barWrite(4, registers[i] + 4, 4, addresses[i] >>> 32);
            }
            pci.barWrite(4, CommonConfigLayout.QUEUE_ENABLE, 2, 1);
            assertThrows(VirtioDriverException.class, driver::start);
            refused(area);
            driver.reset();
            driver.negotiate(mode.feature | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM);
        }
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void decodeOffMeansThatBusAddressesResolveNowhere(Mode mode) throws Exception {
        open(RegionPolicy.Kind.RESTRICTED, mode.feature, 0);
        start();
        serves();
        long good = inside(mode);
        pci.configWrite(PciRegisters.COMMAND, 2, PciRegisters.COMMAND_MASTER);
        if (mode == Mode.DMB) {
            serves(); // an offset needs no address decoding
            return;
        }
        request(good, 64, good, 64);
        FunctionFixture.await("DEVICE_NEEDS_RESET", () -> (function.deviceStatus() & DEVICE_NEEDS_RESET) != 0);
        pci.configWrite(PciRegisters.COMMAND, 2, PciRegisters.COMMAND_MASTER | PciRegisters.COMMAND_MEMORY);
        refused(0);
    }

    /** A driver that lets the device run before it lets the region decode: the rings are nowhere for a while. */
    @ParameterizedTest
    @EnumSource(Mode.class)
    void queuesGoOnWhenTheRegionDecodesAgain(Mode mode) throws Exception {
        open(RegionPolicy.Kind.PREFER, mode.feature, 0);
        start();
        serves();
        pci.configWrite(PciRegisters.COMMAND, 2, 0);
        pci.configWrite(PciRegisters.COMMAND, 2, PciRegisters.COMMAND_MASTER);
        pci.configWrite(PciRegisters.COMMAND, 2, PciRegisters.COMMAND_MASTER | PciRegisters.COMMAND_MEMORY);
        serves();
    }

    @ParameterizedTest
    @EnumSource(Mode.class)
    void aBarThatMovesUnderLiveQueues(Mode mode) throws Exception {
        open(RegionPolicy.Kind.RESTRICTED, mode.feature, 0);
        start();
        serves();
        long good = inside(mode);
        pci.configWrite(BAR2, 4, base + 2 * REGION_BYTES & 0xffff_ffffL);
        if (mode == Mode.DMB) {
            serves();
            return;
        }
        request(good, 64, good, 64);
        refused(0);
    }

    @ParameterizedTest
    @EnumSource(RegionPolicy.Kind.class)
    void policiesWithoutTheFeature(RegionPolicy.Kind kind) throws Exception {
        open(kind, 0, 0);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE_SELECT, 4, 1);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE, 4, 1);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        boolean accepted = (pci.barRead(4, CommonConfigLayout.DEVICE_STATUS, 1) & FEATURES_OK) != 0;
        assertEquals(kind != RegionPolicy.Kind.RESTRICTED, accepted);
        boolean mappedBefore = dmaMap.mappedBytes() > 0;
        assertEquals(kind == RegionPolicy.Kind.HINT, mappedBefore, "guest memory before DRIVER_OK");
        long offered = function.offeredFeatures() & (VIRTIO_F_DMB | VIRTIO_F_SWIOTLB);
        assertEquals(kind == RegionPolicy.Kind.HINT ? 0 : VIRTIO_F_DMB | VIRTIO_F_SWIOTLB, offered);
    }

    @ParameterizedTest
    @EnumSource(RegionPolicy.Kind.class)
    void bothFeaturesAtOnceAreRefused(RegionPolicy.Kind kind) throws Exception {
        open(kind, 0, 0);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE_SELECT, 4, 0);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE, 4, VIRTIO_F_SWIOTLB);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE_SELECT, 4, 1);
        pci.barWrite(4, CommonConfigLayout.DRIVER_FEATURE, 4, 1 | VIRTIO_F_DMB >>> 32);
        pci.barWrite(4, CommonConfigLayout.DEVICE_STATUS, 1, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        assertFalse((pci.barRead(4, CommonConfigLayout.DEVICE_STATUS, 1) & FEATURES_OK) != 0);
    }
}
