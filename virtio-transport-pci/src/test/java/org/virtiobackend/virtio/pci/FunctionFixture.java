package org.virtiobackend.virtio.pci;

import static org.virtiobackend.virtio.DeviceStatus.*;
import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.virtiobackend.dma.DmaMap;
import org.virtiobackend.pci.InProcessPciDevice;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Poller;
import org.virtiobackend.swiotlb.driver.SharedMemory;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/** A function with a test device behind it, driver memory that it may touch, and the steps of a driver one by one. */
public final class FunctionFixture implements AutoCloseable {
    public static final long MEMORY_BASE = 0x4000_0000L;
    public static final long VERSION_1 = VirtioFeature.VIRTIO_F_VERSION_1;
    private static final long MEMORY_BYTES = 4 << 20;

    public final TestDevice device;
    public final SharedMemory memory;
    public final DmaMap dmaMap = new DmaMap();
    public final WorkerPool pool;
    public final VirtioPciFunction function;
    public final InProcessPciDevice pci;

    public FunctionFixture() throws Exception {
        this(VirtioPciOptions.defaults());
    }

    public FunctionFixture(VirtioPciOptions options) throws Exception {
        this(new TestDevice(64, 128, 16), options, null);
    }

    /** @param policy null: the driver's memory */
    public FunctionFixture(TestDevice device, VirtioPciOptions options, DmaPolicy policy) throws Exception {
        this.device = device;
        this.memory = SharedMemory.create("function-test", MEMORY_BYTES, MEMORY_BASE);
        dmaMap.map(MEMORY_BASE, MEMORY_BYTES, true, true, memory.memFd().fd().duplicate(), 0);
        this.pool = new WorkerPool(1, 0);
        this.function =
                new VirtioPciFunction(device, policy == null ? new GuestMemoryPolicy(dmaMap) : policy, pool, options);
        dmaMap.setUser(function);
        this.pci = new InProcessPciDevice(function);
    }

    // ---- registers

    public long common(int offset, int width) {
        return pci.barRead(4, offset, width);
    }

    public void common(int offset, int width, long value) {
        pci.barWrite(4, offset, width, value);
    }

    public void common64(int offset, long value) {
        common(offset, 4, value & 0xffff_ffffL);
        common(offset + 4, 4, value >>> 32);
    }

    public int status() {
        return (int) common(DEVICE_STATUS, 1);
    }

    public void status(int value) {
        common(DEVICE_STATUS, 1, value);
    }

    public int isr() {
        return (int) pci.barRead(4, 0x1000, 1);
    }

    public void command(int value) {
        pci.configWrite(PciRegisters.COMMAND, 2, value);
    }

    /** Offset of the n-th capability with this id and, for vendor capabilities, this type; -1 for none. */
    public int capability(int id, int type) {
        for (int at = (int) pci.configRead(0x34, 1); at != 0; at = (int) pci.configRead(at + 1, 1)) {
            boolean vendor = id == PciRegisters.CAP_ID_VENDOR;
            if (pci.configRead(at, 1) == id && (!vendor || pci.configRead(at + 3, 1) == type)) {
                return at;
            }
        }
        return -1;
    }

    public void enableMsix(boolean enabled) {
        int at = capability(PciRegisters.CAP_ID_MSIX, 0);
        pci.configWrite(at + 2, 2, enabled ? PciRegisters.MSIX_ENABLE : 0);
    }

    // ---- the steps of a driver

    public void enableBusMaster() {
        command(PciRegisters.COMMAND_MEMORY | PciRegisters.COMMAND_MASTER);
    }

    public void driverFeatures(int select, long bits) {
        common(DRIVER_FEATURE_SELECT, 4, select);
        common(DRIVER_FEATURE, 4, bits);
    }

    /** Up to FEATURES_OK; returns the status that follows. */
    public int negotiate(long features) {
        status(ACKNOWLEDGE);
        status(ACKNOWLEDGE | DRIVER);
        driverFeatures(0, features & 0xffff_ffffL);
        driverFeatures(1, features >>> 32);
        status(ACKNOWLEDGE | DRIVER | FEATURES_OK);
        return status();
    }

    public SplitDriverQueue ring(int queue, int size, long features) {
        return SplitDriverQueue.create(queue, size, features, memory);
    }

    public void enable(SplitDriverQueue ring) {
        configure(ring);
        common(QUEUE_ENABLE, 2, 1);
    }

    public void configure(SplitDriverQueue ring) {
        common(QUEUE_SELECT, 2, ring.index());
        common(QUEUE_SIZE, 2, ring.size());
        common64(QUEUE_DESC, ring.queueDesc());
        common64(QUEUE_DRIVER, ring.queueDriver());
        common64(QUEUE_DEVICE, ring.queueDevice());
    }

    public void driverOk() {
        status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
    }

    /** From power-on to a live device with queue 0, 64 entries. */
    public SplitDriverQueue goLive(long features) {
        enableBusMaster();
        negotiate(features | VERSION_1);
        SplitDriverQueue ring = ring(0, 64, features);
        enable(ring);
        driverOk();
        return ring;
    }

    public void kick(int queue) {
        pci.barWrite(4, 0x3000 + 4L * queue, 2, queue);
    }

    // ---- waiting

    public static void await(String what, BooleanSupplier condition) {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not in time: " + what);
            }
            Thread.onSpinWait();
        }
    }

    /** Waits for a signal on an eventfd and takes it. */
    public static long awaitSignal(EventFd eventFd) throws Exception {
        Poller poller = new Poller(1);
        poller.add(eventFd.fd(), Poller.POLLIN);
        if (poller.poll(20_000) == 0) {
            throw new AssertionError("no signal in time");
        }
        return eventFd.drain();
    }

    @Override
    public void close() {
        device.finishAll();
        function.close();
        pool.close();
        dmaMap.close();
        memory.close();
    }
}
