package org.virtiobackend.virtio.pci.driver;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciBus;
import org.virtiobackend.pci.driver.PciCapabilities;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.VirtioPciCapability;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;
import org.virtiobackend.virtio.queue.driver.PackedDriverQueue;
import org.virtiobackend.virtio.queue.driver.SplitDriverQueue;

/**
 * Drives a modern virtio device over PCI: {@link #open}, {@link #negotiate}, {@link #setupQueue} for each queue,
 * {@link #start}. One thread; each {@link DriverQueue} may be used by another one afterwards.
 *
 * <p>The device may be hostile: lists end, waits end, sizes and offsets are checked.
 */
public final class VirtioPciDriver implements AutoCloseable {
    /** Reads the device-specific configuration; may run several times. */
    @FunctionalInterface
    public interface ConfigReader<T> {
        T read(VirtioRegisters registers) throws IOException;
    }

    private static final int MAX_CONFIG_TRIES = 1000;

    private final PciDevice device;
    private final List<PciCapabilities.Capability> capabilities;
    private final VirtioStructures structures;
    private final VirtioRegisters registers;
    private final QueueSetup queues;
    private final RegisterWaits waits;
    private final int deviceId;
    private long features;

    private VirtioPciDriver(PciDevice device) throws IOException {
        this.device = device;
        this.deviceId = identify(device);
        this.capabilities = PciCapabilities.list(device);
        this.structures = VirtioStructures.discover(device, capabilities);
        this.registers = new VirtioRegisters(device, structures);
        this.queues = new QueueSetup(device, structures, registers);
        this.waits = new RegisterWaits(registers);
    }

    /** As {@link #open(PciDevice, long, long)} with addresses that collide with no memory below 3.5 GiB. */
    public static VirtioPciDriver open(PciDevice device) throws IOException {
        return open(device, PciBus.DEFAULT_BASE_32, PciBus.DEFAULT_BASE_64);
    }

    /**
     * Finds the device's structures, gives its BARs addresses unless they have some, enables decoding and bus
     * mastering, and resets it. The device stays the caller's.
     *
     * @throws VirtioDriverException no virtio device, or none that can be driven
     */
    public static VirtioPciDriver open(PciDevice device, long base32, long base64) throws IOException {
        VirtioPciDriver driver = discover(device);
        new PciBus(device, base32, base64).enable();
        driver.reset();
        return driver;
    }

    /** Finds the device's structures and touches nothing: for a device that is in use, or to be watched. */
    public static VirtioPciDriver discover(PciDevice device) throws IOException {
        return new VirtioPciDriver(device);
    }

    /** How long a reset of the device or of a queue, or a suspension, may take; 10 seconds unless set. */
    public void setResetTimeout(long value, TimeUnit unit) {
        waits.setTimeout(unit.toNanos(value));
    }

    private static int identify(PciDevice device) throws IOException {
        long vendor = device.configRead(PciRegisters.VENDOR_ID, 2);
        int type = (int) device.configRead(PciRegisters.DEVICE_ID, 2) - VirtioPciCapability.DEVICE_ID_BASE;
        if (vendor != VirtioPciCapability.VENDOR_ID || type < 1 || type > 0x3f) { // virtio 1.4 4.1.2.2
            throw new VirtioDriverException(
                    "no modern virtio device: vendor 0x" + Long.toHexString(vendor) + ", device type " + type);
        }
        return type;
    }

    /** Device type. */
    public int deviceId() {
        return deviceId;
    }

    /** The function itself. */
    public PciDevice pci() {
        return device;
    }

    public VirtioStructures structures() {
        return structures;
    }

    /** Every register, unchecked by this class. */
    public VirtioRegisters registers() {
        return registers;
    }

    /** Features that were negotiated last. */
    public long features() {
        return features;
    }

    public int queueCount() throws IOException {
        return (int) registers.common(NUM_QUEUES, 2);
    }

    /** The device's offer, bits 0 to 63; what lies beyond is nothing this driver could accept. */
    public long offeredFeatures() throws IOException {
        return registers.deviceFeatures(0) | registers.deviceFeatures(1) << 32;
    }

    /**
     * Resets the device and waits for it (virtio 1.4 4.1.4.3.2).
     *
     * @throws VirtioDriverException when it takes too long
     */
    public void reset() throws IOException {
        registers.status(0);
        features = 0;
        waits.untilZero(DEVICE_STATUS, 1, "device does not complete its reset");
    }

    /**
     * Resets the device and negotiates, up to FEATURES_OK (virtio 1.4 3.1.1).
     *
     * @param wanted bits that the caller can handle; VERSION_1 is added
     * @return what is negotiated: the wanted bits that the device offers
     * @throws VirtioDriverException the device is no modern one, or refuses the set
     */
    public long negotiate(long wanted) throws IOException {
        reset();
        setStatus(DeviceStatus.ACKNOWLEDGE);
        setStatus(DeviceStatus.DRIVER);
        long offered = offeredFeatures();
        if ((offered & VirtioFeature.VIRTIO_F_VERSION_1) == 0) {
            throw fail("device does not offer VERSION_1");
        }
        long accepted = offered & (wanted | VirtioFeature.VIRTIO_F_VERSION_1);
        registers.driverFeatures(0, accepted & 0xffff_ffffL);
        registers.driverFeatures(1, accepted >>> 32);
        setStatus(DeviceStatus.FEATURES_OK);
        if ((registers.status() & DeviceStatus.FEATURES_OK) == 0) {
            throw fail("device refuses features 0x" + Long.toHexString(accepted) + " (" + VirtioFeature.names(accepted)
                    + ")");
        }
        features = accepted;
        return accepted;
    }

    private VirtioDriverException fail(String message) throws IOException {
        setStatus(DeviceStatus.FAILED); // virtio 1.4 3.1.1
        return new VirtioDriverException(message);
    }

    /** Adds a status bit to those that are set (virtio 1.4 2.1.1). */
    public void setStatus(int bit) throws IOException {
        registers.status(registers.status() | bit);
    }

    /** DRIVER_OK: the device is live. */
    public void start() throws IOException {
        setStatus(DeviceStatus.DRIVER_OK);
        int status = registers.status();
        if ((status & DeviceStatus.DEVICE_NEEDS_RESET) != 0 || (status & DeviceStatus.DRIVER_OK) == 0) {
            throw new VirtioDriverException("device does not start, status 0x" + Integer.toHexString(status));
        }
    }

    /**
     * Suspends the device and waits for it: every request is back then, and until {@link #resume} the caller makes nothing available
     * and notifies no queue (virtio 1.4 3.4.1).
     *
     * @throws VirtioDriverException SUSPEND is not negotiated, the device gave up, or it takes too long
     */
    public void suspend() throws IOException {
        if (!has(VirtioFeature.VIRTIO_F_SUSPEND)) {
            throw new VirtioDriverException("SUSPEND is not negotiated");
        }
        setStatus(DeviceStatus.SUSPEND);
        waits.untilStatus(DeviceStatus.SUSPEND, DeviceStatus.DRIVER_OK, "device does not suspend itself");
    }

    /** Ends {@link #suspend} and waits until the device runs again. */
    public void resume() throws IOException {
        setStatus(DeviceStatus.DRIVER_OK);
        waits.untilStatus(DeviceStatus.DRIVER_OK, DeviceStatus.SUSPEND, "device does not resume");
    }

    /** Whether the device has given up. */
    public boolean needsReset() throws IOException {
        return (registers.status() & DeviceStatus.DEVICE_NEEDS_RESET) != 0;
    }

    // ---- interrupts

    /** Connects a MSI-X vector, or disconnects it with null, and switches MSI-X on. The eventfd stays the caller's. */
    public void connectVector(int vector, EventFd eventFd) throws IOException {
        if (vector < 0 || vector >= device.msixVectors()) {
            throw new VirtioDriverException("vector " + vector + " of " + device.msixVectors());
        }
        device.connectMsix(vector, eventFd);
        setMsix(true);
    }

    /** Switches MSI-X on, or off and so back to INTx. */
    public void setMsix(boolean enabled) throws IOException {
        int at = PciCapabilities.find(capabilities, PciRegisters.CAP_ID_MSIX);
        if (at < 0) {
            throw new VirtioDriverException("device has no MSI-X capability");
        }
        long control = device.configRead(at + PciRegisters.MSIX_CONTROL, 2);
        long wanted = enabled ? control | PciRegisters.MSIX_ENABLE : control & ~PciRegisters.MSIX_ENABLE;
        if (wanted != control) {
            device.configWrite(at + PciRegisters.MSIX_CONTROL, 2, wanted);
        }
    }

    /** Maps configuration changes to a vector, or to none with {@code NO_VECTOR}. */
    public void setConfigVector(int vector) throws IOException {
        setVector(CONFIG_MSIX_VECTOR, vector);
    }

    private void setVector(int field, int vector) throws IOException {
        registers.common(field, 2, vector);
        if (registers.common(field, 2) != vector) { // virtio 1.4 4.1.5.1.2.2
            throw new VirtioDriverException("device cannot map an event to vector " + vector);
        }
    }

    // ---- queues

    /**
     * Sets up and enables a queue, split or packed as negotiated (virtio 1.4 4.1.5.1.3).
     *
     * @param maxSize entries at most; a power of two, or any number for a packed ring
     * @param memory for the rings
     * @param vector for used buffer notifications, or {@code NO_VECTOR}
     */
    public DriverQueue setupQueue(int index, int maxSize, DriverMemory memory, int vector) throws IOException {
        int size = settleQueueSize(index, maxSize);
        DriverVirtqueue ring = has(VirtioFeature.VIRTIO_F_RING_PACKED)
                ? PackedDriverQueue.create(index, size, features, memory)
                : SplitDriverQueue.create(index, size, features, memory);
        return enableQueue(index, ring, vector);
    }

    private boolean has(long feature) {
        return (features & feature) != 0;
    }

    /**
     * Selects a queue and agrees on its size.
     *
     * @return entries: what the device supports, or {@code maxSize} when that is less
     * @throws VirtioDriverException there is no such queue, or the device makes no sense
     */
    public int settleQueueSize(int index, int maxSize) throws IOException {
        return queues.settleSize(index, maxSize, has(VirtioFeature.VIRTIO_F_RING_PACKED));
    }

    /** Hands a ring of the caller to the device and enables the queue, whose size is settled. */
    public DriverQueue enableQueue(int index, DriverVirtqueue ring, int vector) throws IOException {
        return enableQueue(index, ring, vector, ring::nextAvailable);
    }

    /**
     * The same for those whose notifications say something else.
     *
     * @param nextOffset what a notification carries with NOTIFICATION_DATA, see {@link DriverVirtqueue#nextAvailable}
     */
    public DriverQueue enableQueue(int index, DriverVirtqueue ring, int vector, IntSupplier nextOffset)
            throws IOException {
        if (vector != NO_VECTOR) {
            setQueueVector(index, vector);
        }
        return queues.enable(index, ring, features, nextOffset);
    }

    /**
     * Maps used buffer notifications of a queue to a vector, or to none with {@code NO_VECTOR}; at any time, and several events may
     * share a vector.
     */
    public void setQueueVector(int index, int vector) throws IOException {
        registers.selectQueue(index);
        setVector(QUEUE_MSIX_VECTOR, vector);
    }

    /** Resets one queue and waits for it; needs RING_RESET (virtio 1.4 2.6.1). */
    public void resetQueue(int index) throws IOException {
        if (!has(VirtioFeature.VIRTIO_F_RING_RESET)) {
            throw new VirtioDriverException("RING_RESET is not negotiated");
        }
        registers.selectQueue(index);
        registers.common(QUEUE_RESET, 2, 1);
        waits.untilZero(QUEUE_RESET, 2, "device does not reset queue " + index);
    }

    // ---- device configuration

    /**
     * Reads something from the device-specific configuration, again as long as it changes meanwhile (virtio 1.4 2.5.1).
     */
    public <T> T readConfig(ConfigReader<T> reader) throws IOException {
        for (int i = 0; i < MAX_CONFIG_TRIES; i++) {
            long before = registers.common(CONFIG_GENERATION, 1);
            T value = reader.read(registers);
            if (registers.common(CONFIG_GENERATION, 1) == before) {
                return value;
            }
        }
        throw new VirtioDriverException("device configuration does not come to rest");
    }

    /** Reads a field of 1, 2, 4 or 8 bytes. */
    public long readConfig(int offset, int width) throws IOException {
        if (width < 8) {
            return registers.device(offset, width);
        }
        return readConfig(r -> r.device(offset, 4) | r.device(offset + 4, 4) << 32);
    }

    // ---- restricted DMA (proposals)

    /** The device-local memory that the device announces, or null. */
    public DeviceRegion region() throws IOException {
        VirtioStructures.Structure swiotlb = structures.swiotlb();
        int shmId = dmbShmId();
        VirtioStructures.Structure shared = structures.sharedMemory().get(shmId);
        VirtioStructures.Structure where = shared != null ? shared : swiotlb;
        if (where == null) {
            return null;
        }
        long address = PciBus.address(device, where.bar()) + where.offset();
        boolean buffer = swiotlb != null && swiotlb.equals(where);
        return new DeviceRegion(
                where.bar(), where.offset(), where.length(), address, buffer, shared != null ? shmId : -1);
    }

    /** dmb_shm_id, or -1 when the device has no such register or does not offer DMB. */
    private int dmbShmId() throws IOException {
        boolean register = structures.common().length() >= RestrictedDma.DMB_SHM_ID_OFFSET + 2;
        if (!register || (offeredFeatures() & RestrictedDma.VIRTIO_F_DMB) == 0) {
            return -1;
        }
        return (int) registers.common(RestrictedDma.DMB_SHM_ID_OFFSET, 2);
    }

    /** Leaves the device reset and unable to touch memory. */
    @Override
    public void close() throws IOException {
        reset();
        long command = device.configRead(PciRegisters.COMMAND, 2);
        device.configWrite(PciRegisters.COMMAND, 2, command & ~PciRegisters.COMMAND_MASTER);
    }
}
