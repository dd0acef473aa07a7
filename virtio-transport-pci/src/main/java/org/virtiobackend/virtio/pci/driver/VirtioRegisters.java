package org.virtiobackend.virtio.pci.driver;

import static org.virtiobackend.virtio.pci.CommonConfigLayout.*;

import java.io.IOException;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.virtio.pci.driver.VirtioStructures.Structure;

/**
 * Plain access to a device's registers, for drivers and for those who break the rules on purpose. Offsets are in the
 * structure.
 */
public final class VirtioRegisters {
    private final PciDevice device;
    private final VirtioStructures structures;

    VirtioRegisters(PciDevice device, VirtioStructures structures) {
        this.device = device;
        this.structures = structures;
    }

    /**
     * Reads the common configuration.
     *
     * @param width bytes, 1 to 8; fields of 64 bits are read in halves (virtio 1.4 4.1.3.1)
     */
    public long common(int offset, int width) throws IOException {
        return read(structures.common(), offset, width);
    }

    public void common(int offset, int width, long value) throws IOException {
        write(structures.common(), offset, width, value);
    }

    /** Writes a 64-bit field as two halves, low half first. */
    public void common64(int offset, long value) throws IOException {
        common(offset, 4, value & 0xffff_ffffL);
        common(offset + 4, 4, value >>> 32);
    }

    public int status() throws IOException {
        return (int) common(DEVICE_STATUS, 1);
    }

    public void status(int value) throws IOException {
        common(DEVICE_STATUS, 1, value);
    }

    /** 32 bits of the device's offer: bits {@code 32 * select} and up. */
    public long deviceFeatures(long select) throws IOException {
        common(DEVICE_FEATURE_SELECT, 4, select);
        return common(DEVICE_FEATURE, 4);
    }

    /** Sets 32 bits of the driver's choice. */
    public void driverFeatures(long select, long bits) throws IOException {
        common(DRIVER_FEATURE_SELECT, 4, select);
        common(DRIVER_FEATURE, 4, bits);
    }

    public void selectQueue(int queue) throws IOException {
        common(QUEUE_SELECT, 2, queue);
    }

    /** Reads ISR status, which also clears it. */
    public int isr() throws IOException {
        return (int) read(structures.isr(), 0, 1);
    }

    /** Reads the device-specific configuration; 1, 2 or 4 bytes. */
    public long device(int offset, int width) throws IOException {
        return read(deviceStructure(), offset, width);
    }

    public void device(int offset, int width, long value) throws IOException {
        write(deviceStructure(), offset, width, value);
    }

    private Structure deviceStructure() throws VirtioDriverException {
        if (structures.device() == null) {
            throw new VirtioDriverException("the device has no device-specific configuration");
        }
        return structures.device();
    }

    /** Reads anywhere in a structure. */
    public long read(Structure structure, long offset, int width) throws IOException {
        check(structure, offset, width);
        return device.barRead(structure.bar(), structure.offset() + offset, width);
    }

    /** Writes anywhere in a structure and waits for the device. */
    public void write(Structure structure, long offset, int width, long value) throws IOException {
        check(structure, offset, width);
        device.barWrite(structure.bar(), structure.offset() + offset, width, value);
    }

    private static void check(Structure structure, long offset, int width) throws VirtioDriverException {
        if (offset < 0 || offset > structure.length() - width) {
            throw new VirtioDriverException(
                    width + " bytes at " + offset + " of a structure of " + structure.length() + " bytes");
        }
    }
}
