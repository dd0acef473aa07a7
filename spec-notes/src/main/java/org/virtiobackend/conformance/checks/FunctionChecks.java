package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciCapabilities;

/** What the configuration space says, before any driver (virtio 1.4 4.1.1, 4.1.2 and 4.1.4). */
public final class FunctionChecks implements Chapter {
    private static final int HEADER_TYPE = 0x0e;
    private static final int SUBSYSTEM_ID = 0x2e;

    @Check(
            id = "pci.identity",
            clauses = {"PCI-ID-DEV-01", "PCI-ID-DEV-02", "PCI-ID-DEV-04", "PCI-ID-DEV-05", "PCI-ID-DEV-06"},
            scope = Scope.FUNCTION)
    public void identity(Bench bench) throws IOException {
        int device = (int) bench.pci().configRead(PciRegisters.DEVICE_ID, 2);
        bench.about("PCI-ID-DEV-01");
        bench.equal(VENDOR_ID, bench.pci().configRead(PciRegisters.VENDOR_ID, 2), "vendor id");
        bench.about("PCI-ID-DEV-02");
        bench.that(
                device > DEVICE_ID_BASE && device <= 0x107f || device >= 0x1000 && device <= 0x1009,
                "device id 0x" + Integer.toHexString(device) + " belongs to no device type");
        bench.about("PCI-ID-DEV-04");
        bench.that(device >= DEVICE_ID_BASE && device <= 0x107f, "device id 0x" + Integer.toHexString(device));
        bench.about("PCI-ID-DEV-05");
        bench.that(bench.pci().configRead(PciRegisters.REVISION_ID, 1) >= 1, "revision 0");
        bench.about("PCI-ID-DEV-06");
        bench.that(bench.pci().configRead(SUBSYSTEM_ID, 2) >= 0x40, "subsystem device id below 0x40");
    }

    @Check(id = "pci.function", clauses = "PCI-BUS-DEV-01", scope = Scope.FUNCTION)
    public void function(Bench bench) throws IOException {
        bench.about("PCI-BUS-DEV-01");
        bench.equal(0, bench.pci().configRead(HEADER_TYPE, 1) & 0x7f, "header type");
        List<PciCapabilities.Capability> list = bench.capabilities();
        bench.that(!list.isEmpty(), "there is no capability list");
        if (!list.isEmpty()) {
            int last = list.get(list.size() - 1).offset();
            bench.equal(0, bench.pci().configRead(last + 1, 1) & ~3, "link of the last capability");
        }
        for (int bar = 0; bar < PciFunction.BAR_COUNT; bar++) {
            bar += checkBar(bench, bar);
        }
    }

    /** Sizes a BAR as firmware does; returns how many registers it takes beyond its own. */
    private static int checkBar(Bench bench, int bar) throws IOException {
        int at = PciRegisters.BAR0 + 4 * bar;
        long size = bench.pci().barSize(bar);
        long before = bench.pci().configRead(at, 4);
        boolean wide = (before & PciRegisters.BAR_TYPE_MASK) == PciRegisters.BAR_TYPE_64
                && (before & PciRegisters.BAR_IO) == 0;
        long command = bench.pci().configRead(PciRegisters.COMMAND, 2);
        bench.pci().configWrite(PciRegisters.COMMAND, 2, command & ~PciRegisters.COMMAND_MEMORY);
        bench.pci().configWrite(at, 4, 0xffff_ffffL);
        long low = bench.pci().configRead(at, 4);
        bench.pci().configWrite(at, 4, before);
        long mask = low & ((before & PciRegisters.BAR_IO) != 0 ? ~3L : ~15L);
        if (wide) {
            long high = bench.pci().configRead(at + 4, 4);
            bench.pci().configWrite(at + 4, 4, 0xffff_ffffL);
            mask |= bench.pci().configRead(at + 4, 4) << 32;
            bench.pci().configWrite(at + 4, 4, high);
        } else if (mask != 0) {
            mask |= -1L << 32;
        }
        bench.pci().configWrite(PciRegisters.COMMAND, 2, command);
        bench.equal(size, mask == 0 ? 0 : -mask, "size of BAR " + bar + " by its register");
        return wide ? 1 : 0;
    }

    @Check(
            id = "pci.capabilities",
            clauses = {
                "PCI-CAP-DEV-01",
                "PCI-COMMON-DEV-01",
                "PCI-COMMON-DEV-02",
                "PCI-NOTIFYCAP-DEV-01",
                "PCI-ISR-DEV-01",
                "PCI-DEVCFG-DEV-01",
                "PCI-CFGACCESS-DEV-01"
            },
            scope = Scope.FUNCTION)
    public void capabilities(Bench bench) throws IOException {
        bench.about("PCI-CAP-DEV-01");
        for (VirtioCapability capability : VirtioCapability.list(bench)) {
            bench.that(
                    capability.size() >= capability.leastSize(),
                    "cap_len of the capability of type " + capability.type() + " is " + capability.size()
                            + ", its fields take " + capability.leastSize());
        }
        require(bench, "PCI-COMMON-DEV-02", VIRTIO_PCI_CAP_COMMON_CFG, "common configuration");
        require(bench, "PCI-NOTIFYCAP-DEV-01", VIRTIO_PCI_CAP_NOTIFY_CFG, "notification");
        require(bench, "PCI-ISR-DEV-01", VIRTIO_PCI_CAP_ISR_CFG, "ISR");
        require(bench, "PCI-CFGACCESS-DEV-01", VIRTIO_PCI_CAP_PCI_CFG, "PCI configuration access");
        aligned(bench, "PCI-COMMON-DEV-01", VIRTIO_PCI_CAP_COMMON_CFG);
        aligned(bench, "PCI-DEVCFG-DEV-01", VIRTIO_PCI_CAP_DEVICE_CFG);
    }

    private static void require(Bench bench, String clause, int type, String name) throws IOException {
        bench.about(clause);
        List<VirtioCapability> found = VirtioCapability.list(bench, type);
        bench.that(!found.isEmpty(), "there is no " + name + " capability");
        if (type != VIRTIO_PCI_CAP_PCI_CFG && !found.isEmpty()) {
            boolean inside = false;
            for (VirtioCapability capability : found) {
                inside |= capability.isInsideBar(bench);
            }
            bench.that(inside, "the " + name + " structure does not lie in a BAR");
        }
    }

    private static void aligned(Bench bench, String clause, int type) throws IOException {
        bench.about(clause);
        for (VirtioCapability capability : VirtioCapability.list(bench, type)) {
            bench.equal(0, capability.start() & 3, "offset modulo 4");
        }
    }

    @Check(
            id = "pci.vendor-capability",
            clauses = {"PCI-VENDOR-DEV-03", "PCI-VENDOR-DEV-04", "PCI-VENDOR-DEV-05"},
            scope = Scope.OFFER)
    public void vendorCapability(Bench bench) throws IOException {
        for (VirtioCapability capability : VirtioCapability.list(bench, VIRTIO_PCI_CAP_VENDOR_CFG)) {
            bench.about("PCI-VENDOR-DEV-03");
            long vendor = bench.pci().configRead(capability.at() + 4, 2);
            bench.that(vendor != VENDOR_ID, "vendor_id of the vendor capability is that of virtio");
            bench.about("PCI-VENDOR-DEV-04");
            bench.equal(0, capability.size() & 3, "cap_len modulo 4");
            bench.about("PCI-VENDOR-DEV-05");
            for (int i = 0; i < 2; i++) {
                for (int at = 0; at < capability.size(); at++) {
                    bench.pci().configRead(capability.at() + at, 1);
                }
                bench.equal(0, bench.status(), "device status");
            }
        }
    }

    @Check(
            id = "pci.shared-memory",
            clauses = {"PCI-SHM-DEV-01", "PCI-SHM-DEV-02", "SHM-DEV-01"},
            scope = Scope.OFFER)
    public void sharedMemory(Bench bench) throws IOException {
        Set<Integer> ids = new HashSet<>();
        for (VirtioCapability region : VirtioCapability.list(bench, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG)) {
            bench.about("PCI-SHM-DEV-01");
            bench.that(region.isInsideBar(bench), "region " + region.id() + " does not lie in a BAR");
            bench.about("PCI-SHM-DEV-02");
            bench.that(ids.add(region.id()), "region id " + region.id() + " twice");
            bench.about("SHM-DEV-01");
            for (VirtioCapability other : VirtioCapability.list(bench)) {
                boolean structure =
                        other.type() >= VIRTIO_PCI_CAP_COMMON_CFG && other.type() <= VIRTIO_PCI_CAP_DEVICE_CFG;
                bench.that(
                        !structure || !region.overlaps(other),
                        "region " + region.id() + " holds the structure of type " + other.type());
            }
        }
    }

    @Check(
            id = "pci.msix-size",
            clauses = {"PCI-MSIX-DEV-01", "PCI-MSIX-DEV-02"},
            scope = Scope.OFFER)
    public void msixSize(Bench bench) throws IOException {
        int vectors = bench.pci().msixVectors();
        bench.about("PCI-MSIX-DEV-01");
        bench.that(vectors >= 2 && vectors <= 0x800, vectors + " vectors");
        bench.about("PCI-MSIX-DEV-02");
        int at = PciCapabilities.find(bench.capabilities(), PciRegisters.CAP_ID_MSIX);
        bench.need(at > 0, "there is no MSI-X capability");
        long control = bench.pci().configRead(at + PciRegisters.MSIX_CONTROL, 2);
        bench.equal(vectors, (control & PciRegisters.MSIX_TABLE_SIZE_MASK) + 1, "Table Size plus 1");
        inBar(bench, at + PciRegisters.MSIX_TABLE, (long) vectors * PciRegisters.MSIX_ENTRY_SIZE, "MSI-X table");
        inBar(bench, at + PciRegisters.MSIX_PBA, (vectors + 63) / 64 * 8L, "pending bit array");
    }

    private static void inBar(Bench bench, int register, long length, String what) throws IOException {
        long value = bench.pci().configRead(register, 4);
        int bar = (int) value & PciRegisters.MSIX_BIR_MASK;
        long start = value & ~(long) PciRegisters.MSIX_BIR_MASK;
        boolean inside =
                bar < PciFunction.BAR_COUNT && start + length <= bench.pci().barSize(bar);
        bench.that(inside, what + " does not lie in a BAR");
    }
}
