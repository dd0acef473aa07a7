package org.virtiobackend.virtio.pci.driver;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciCapabilities;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.pci.CommonConfigLayout;

/**
 * Where a device's structures are, as its capabilities say (virtio 1.4 4.1.4): the first usable one of each type. A
 * capability that is too short, names a reserved BAR or reaches beyond its BAR does not count.
 *
 * @param notifyMultiplier bytes per unit of queue_notify_off
 * @param device null when there is no device-specific configuration
 * @param pciCfg offset of the PCI configuration access capability in the configuration space, or -1
 * @param swiotlb buffer of the SWIOTLB proposal, or null
 * @param sharedMemory shared memory regions by id
 * @param vendorData vendor data capabilities, in the order of the list
 */
public record VirtioStructures(
        Structure common,
        Structure notification,
        long notifyMultiplier,
        Structure isr,
        Structure device,
        int pciCfg,
        Structure swiotlb,
        Map<Integer, Structure> sharedMemory,
        List<Vendor> vendorData) {

    /** A part of a BAR; lies inside it. */
    public record Structure(int bar, long offset, long length) {}

    /**
     * Vendor data in the configuration space; only who knows the vendor knows what it means.
     *
     * @param vendorId as the capability says
     * @param offset of the data in the configuration space
     * @param length bytes, padding included
     */
    public record Vendor(int vendorId, int offset, int length) {}

    /** Without these common registers no driver can work: up to queue_device. */
    private static final int MIN_COMMON_LENGTH = CommonConfigLayout.QUEUE_NOTIF_CONFIG_DATA;

    private static final int MIN_NOTIFY_LENGTH = 2;

    /**
     * Reads the capability list.
     *
     * @throws VirtioDriverException a structure is missing that every device must have
     */
    public static VirtioStructures discover(PciDevice device, List<PciCapabilities.Capability> capabilities)
            throws IOException {
        Finder finder = new Finder(device);
        for (PciCapabilities.Capability capability : capabilities) {
            if (capability.id() == PciRegisters.CAP_ID_VENDOR) {
                finder.visit(capability.offset());
            }
        }
        return finder.result();
    }

    /** Collects structures while the list is walked. */
    private static final class Finder {
        private final PciDevice device;
        private final Structure[] first = new Structure[RestrictedDma.VIRTIO_PCI_CAP_SWIOTLB + 1];
        private final Map<Integer, Structure> sharedMemory = new LinkedHashMap<>();
        private final List<Vendor> vendorData = new ArrayList<>();
        private long notifyMultiplier;
        private int pciCfg = -1;

        Finder(PciDevice device) {
            this.device = device;
        }

        void visit(int at) throws IOException {
            int length = read(at + CAP_LEN, 1);
            int type = read(at + CFG_TYPE, 1);
            if (at + length > PciRegisters.CONVENTIONAL_SIZE) {
                return;
            }
            if (type == VIRTIO_PCI_CAP_VENDOR_CFG) {
                visitVendorData(at, length);
            }
            if (length < SIZE) {
                return;
            }
            switch (type) {
                case VIRTIO_PCI_CAP_PCI_CFG -> pciCfg = pciCfg < 0 && length >= PCI_CFG_SIZE ? at : pciCfg;
                case VIRTIO_PCI_CAP_COMMON_CFG -> take(type, at, false, MIN_COMMON_LENGTH);
                case VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_CAP_DEVICE_CFG -> take(type, at, false, 1);
                case VIRTIO_PCI_CAP_NOTIFY_CFG -> visitNotify(at, length);
                case RestrictedDma.VIRTIO_PCI_CAP_SWIOTLB -> take(type, at, length >= SIZE_64, 1);
                case VIRTIO_PCI_CAP_SHARED_MEMORY_CFG -> visitSharedMemory(at, length);
                default -> {
                    // virtio 1.4 4.1.4.1: reserved types are ignored
                }
            }
        }

        private void visitNotify(int at, int length) throws IOException {
            if (length >= NOTIFY_SIZE && take(VIRTIO_PCI_CAP_NOTIFY_CFG, at, false, MIN_NOTIFY_LENGTH)) {
                notifyMultiplier = device.configRead(at + NOTIFY_OFF_MULTIPLIER, 4);
            }
        }

        private void visitVendorData(int at, int length) throws IOException {
            if (length > VENDOR_DATA) {
                vendorData.add(new Vendor(read(at + VENDOR_DATA_ID, 2), at + VENDOR_DATA, length - VENDOR_DATA));
            }
        }

        private void visitSharedMemory(int at, int length) throws IOException {
            Structure structure = length >= SIZE_64 ? structure(at, true) : null;
            if (structure != null && structure.length() > 0) {
                sharedMemory.putIfAbsent(read(at + ID, 1), structure);
            }
        }

        private boolean take(int type, int at, boolean wide, long minLength) throws IOException {
            Structure structure = first[type] == null ? structure(at, wide) : null;
            if (structure == null || structure.length() < minLength) {
                return false;
            }
            first[type] = structure;
            return true;
        }

        /** The part of a BAR that a capability names, or null when it is no part of a BAR. */
        private Structure structure(int at, boolean wide) throws IOException {
            int bar = read(at + BAR, 1);
            if (bar >= PciFunction.BAR_COUNT) {
                return null; // virtio 1.4 4.1.4.1
            }
            long offset = device.configRead(at + OFFSET, 4);
            long length = device.configRead(at + LENGTH, 4);
            if (wide) {
                offset |= device.configRead(at + OFFSET_HI, 4) << 32;
                length |= device.configRead(at + LENGTH_HI, 4) << 32;
            }
            long size = device.barSize(bar);
            boolean inside = offset >= 0 && length >= 0 && offset <= size && length <= size - offset;
            return inside ? new Structure(bar, offset, length) : null;
        }

        private int read(int at, int width) throws IOException {
            return (int) device.configRead(at, width);
        }

        VirtioStructures result() throws VirtioDriverException {
            List<String> missing = new ArrayList<>();
            require(VIRTIO_PCI_CAP_COMMON_CFG, "common configuration", missing);
            require(VIRTIO_PCI_CAP_NOTIFY_CFG, "notification", missing);
            require(VIRTIO_PCI_CAP_ISR_CFG, "ISR", missing);
            if (!missing.isEmpty()) {
                throw new VirtioDriverException("no usable capability for: " + String.join(", ", missing));
            }
            return new VirtioStructures(
                    first[VIRTIO_PCI_CAP_COMMON_CFG],
                    first[VIRTIO_PCI_CAP_NOTIFY_CFG],
                    notifyMultiplier,
                    first[VIRTIO_PCI_CAP_ISR_CFG],
                    first[VIRTIO_PCI_CAP_DEVICE_CFG],
                    pciCfg,
                    first[RestrictedDma.VIRTIO_PCI_CAP_SWIOTLB],
                    Map.copyOf(sharedMemory),
                    List.copyOf(vendorData));
        }

        private void require(int type, String name, List<String> missing) {
            if (first[type] == null) {
                missing.add(name);
            }
        }
    }
}
