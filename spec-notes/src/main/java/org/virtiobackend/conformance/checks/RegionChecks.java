package org.virtiobackend.conformance.checks;

import static org.virtiobackend.virtio.RestrictedDma.*;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_ACCESS_PLATFORM;
import static org.virtiobackend.virtio.VirtioFeature.VIRTIO_F_INDIRECT_DESC;
import static org.virtiobackend.virtio.pci.VirtioPciCapability.*;

import java.io.IOException;
import java.util.List;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Buffer;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.MemoryKind;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;

/** Memory of the device's own: the proposals SWIOTLB and DMB. */
public final class RegionChecks implements Chapter {
    private static final int NEEDS_RESET = 64;
    private static final byte MARK = 0x66;

    @Check(
            id = "region.offer",
            clauses = {
                "SWIOTLB-DEV-01",
                "SWIOTLB-DEV-02",
                "SWIOTLB-DEV-04",
                "SWIOTLB-DEV-05",
                "DMB-DEV-03",
                "DMB-DEV-04",
                "DMB-DEV-05",
                "DMB-DEV-06"
            },
            scope = Scope.OFFER)
    public void offer(Bench bench) throws IOException {
        long offered = bench.driver().offeredFeatures();
        List<VirtioCapability> buffers = VirtioCapability.list(bench, VIRTIO_PCI_CAP_SWIOTLB);
        bench.about("SWIOTLB-DEV-01");
        bench.that(
                (offered & VIRTIO_F_SWIOTLB) == 0
                        || !buffers.isEmpty() && buffers.get(0).length() > 0,
                "VIRTIO_F_SWIOTLB is offered without a buffer");
        bench.about("SWIOTLB-DEV-02");
        bench.that((offered & VIRTIO_F_SWIOTLB) != 0, "a SWIOTLB capability, yet VIRTIO_F_SWIOTLB is not offered");
        bench.about("SWIOTLB-DEV-04");
        bench.that(bench.pci().configRead(PciRegisters.DEVICE_ID, 2) >= DEVICE_ID_BASE, "a transitional device id");
        bench.that(bench.pci().configRead(PciRegisters.REVISION_ID, 1) >= 1, "revision 0");
        bench.about("SWIOTLB-DEV-05");
        for (VirtioCapability buffer : buffers) {
            bench.that(buffer.isInsideBar(bench), "the buffer does not lie in a BAR");
        }
        if (!bench.about("DMB-DEV-03")) {
            return;
        }
        bench.need(
                bench.structures().common().length() >= DMB_SHM_ID_OFFSET + 2,
                "the common configuration ends before dmb_shm_id");
        long id = bench.common(DMB_SHM_ID_OFFSET, 2);
        bench.about("DMB-DEV-04");
        bench.that(id <= 255, "dmb_shm_id " + id);
        bench.about("DMB-DEV-05");
        boolean dax = bench.driver().deviceId() == org.virtiobackend.virtio.VirtioDeviceId.FS;
        bench.that(!dax || id != 0, "dmb_shm_id is that of the DAX window");
        bench.about("DMB-DEV-06");
        boolean found = VirtioCapability.list(bench, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG).stream()
                .anyMatch(region -> region.id() == id);
        bench.that(found, "no shared memory capability has id " + id);
    }

    @Check(id = "region.both", clauses = "DMB-DEV-19")
    public void both(Bench bench) throws IOException {
        bench.about("DMB-DEV-19");
        long set = bench.configuration().features() | VIRTIO_F_DMB | VIRTIO_F_SWIOTLB;
        bench.that(!bench.offer(set), "SWIOTLB and DMB are both accepted: one address would have two readings");
    }

    /** A device that lets a driver go without the region has to work without it. */
    @Check(id = "region.optional", clauses = "DMB-DEV-07", scope = Scope.RING)
    public void optional(Bench bench) throws IOException {
        bench.about("DMB-DEV-07");
        if (bench.configuration().memory().isRegion()) {
            boolean accepted = bench.offer(bench.configuration().features() & ~(VIRTIO_F_DMB | VIRTIO_F_SWIOTLB));
            if (!accepted) {
                bench.that(true, "");
            }
        } else {
            bench.start().exchange(Shape.PLAIN);
        }
    }

    @Check(
            id = "region.traffic",
            clauses = {"SWIOTLB-DEV-06", "SWIOTLB-DEV-08", "DMB-DEV-08", "DMB-DEV-09", "DMB-DEV-10"},
            scope = Scope.RING)
    public void traffic(Bench bench) throws IOException {
        boolean dmb = bench.configuration().memory() == MemoryKind.DMB;
        String swiotlb = bench.has(VIRTIO_F_ACCESS_PLATFORM) ? "SWIOTLB-DEV-08" : "SWIOTLB-DEV-06";
        bench.about(dmb ? "DMB-DEV-08" : swiotlb);
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        bench.about(dmb ? "DMB-DEV-09" : swiotlb);
        queue.exchange(Shape.PLAIN);
        if (bench.about("DMB-DEV-10")) {
            queue.exchange(Shape.INDIRECT);
        } else if (bench.has(VIRTIO_F_INDIRECT_DESC) && bench.about(swiotlb)) {
            queue.exchange(Shape.INDIRECT);
        }
    }

    @Check(
            id = "region.still",
            clauses = {"DMB-DEV-15", "DMB-DEV-16"},
            scope = Scope.RING)
    public void still(Bench bench) throws IOException {
        DeviceRegion before = bench.driver().region();
        LiveQueue queue = bench.start();
        for (int i = 0; i < 4; i++) {
            queue.exchange(Shape.PLAIN);
        }
        DeviceRegion now = bench.driver().region();
        VirtioCapability capability = VirtioCapability.list(bench, VIRTIO_PCI_CAP_SHARED_MEMORY_CFG).stream()
                .filter(region -> region.id() == before.shmId())
                .findFirst()
                .orElse(null);
        bench.about("DMB-DEV-15");
        bench.that(
                now != null && capability != null && now.bar() == before.bar() && capability.start() == before.offset(),
                "the region was " + before + ", now it is " + now);
        bench.about("DMB-DEV-16");
        bench.that(
                now != null && capability != null && capability.length() == before.length(),
                "the region was " + before + ", now it is " + now);
    }

    /** Addresses that the region does not hold, each in a chain of its own on a device of its own. */
    @Check(
            id = "region.outside",
            clauses = {
                "SWIOTLB-DEV-10",
                "SWIOTLB-DEV-12",
                "DMB-DEV-11",
                "DMB-DEV-12",
                "DMB-DEV-13",
                "DMB-DEV-14",
                "DMB-DEV-18"
            },
            scope = Scope.RING)
    public void outside(Bench bench) throws IOException {
        boolean dmb = bench.configuration().memory() == MemoryKind.DMB;
        DeviceRegion region = bench.driver().region();
        long end = (dmb ? 0 : region.busAddress()) + region.length();
        refuses(bench, dmb ? "DMB-DEV-11" : "SWIOTLB-DEV-10", end, 64);
        refuses(bench, dmb ? "DMB-DEV-11" : "SWIOTLB-DEV-10", end - 8, 64);
        refuses(bench, dmb ? "DMB-DEV-12" : "SWIOTLB-DEV-10", -8, 64);
        refuses(bench, dmb ? "DMB-DEV-14" : "SWIOTLB-DEV-10", end + (1L << 40), 64);
        refuses(bench, dmb ? "DMB-DEV-13" : "SWIOTLB-DEV-12", bench.guestAddress(), 64);
        if (dmb) {
            refuses(bench, "DMB-DEV-18", 0, 64);
        }
    }

    private static void refuses(Bench bench, String clause, long address, long length) throws IOException {
        if (!bench.about(clause)) {
            return;
        }
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        Buffer out = bench.buffer(16);
        out.put(0, bench.probe().request(bench, 1).out());
        Buffer in = bench.buffer(1);
        queue.ring().chain(List.of(Piece.readable(out), new Piece(address, length, true, false), Piece.writable(in)));
        queue.go();
        bench.that(bench.reachesNeedsReset(), "DEVICE_NEEDS_RESET is not set for 0x" + Long.toHexString(address));
        bench.that(!queue.ring().hasUsed(), "the chain was used");
        bench.reset();
    }

    @Check(
            id = "region.guest-untouched",
            clauses = {"SWIOTLB-DEV-09", "DMB-DEV-20"},
            scope = Scope.RING)
    public void guestUntouched(Bench bench) throws IOException {
        bench.about(bench.configuration().memory() == MemoryKind.DMB ? "DMB-DEV-20" : "SWIOTLB-DEV-09");
        int bytes = (int) bench.guestMemory().size();
        int protection = Mapping.PROT_READ | Mapping.PROT_WRITE;
        try (Mapping guest = Mapping.map(bench.guestMemory().fd(), 0, bytes, protection)) {
            for (int at = 0; at < bytes; at++) {
                guest.window(0).put(at, MARK);
            }
            LiveQueue queue = bench.start();
            queue.exchange(Shape.PLAIN);
            Buffer out = bench.buffer(16);
            out.put(0, bench.probe().request(bench, 1).out());
            queue.ring()
                    .chain(List.of(Piece.readable(out), new Piece(bench.guestAddress() + 4096, 4096 + 1, true, false)));
            queue.go();
            bench.that(bench.reachesNeedsReset(), "DEVICE_NEEDS_RESET is not set");
            int changed = -1;
            for (int at = 0; at < bytes && changed < 0; at++) {
                changed = guest.window(0).get(at) != MARK ? at : -1;
            }
            bench.that(changed < 0, "the driver's memory was written to, at " + changed);
        }
    }

    @Check(id = "region.moved-bar", clauses = "SWIOTLB-DEV-07", scope = Scope.RING)
    public void movedBar(Bench bench) throws IOException {
        bench.about("SWIOTLB-DEV-07");
        bench.start().exchange(Shape.PLAIN);
        bench.reset();
        bench.moveRegion();
        bench.start().exchange(Shape.PLAIN);
    }

    @Check(id = "region.decoding-off", clauses = "SWIOTLB-DEV-11", scope = Scope.RING)
    public void decodingOff(Bench bench) throws IOException {
        bench.about("SWIOTLB-DEV-11");
        LiveQueue queue = bench.start();
        queue.exchange(Shape.PLAIN);
        long command = bench.pci().configRead(PciRegisters.COMMAND, 2);
        Sent sent = queue.put(Shape.PLAIN);
        // first off, then visible: a device may look at its ring without being notified
        bench.pci().configWrite(PciRegisters.COMMAND, 2, command & ~PciRegisters.COMMAND_MEMORY);
        queue.go();
        bench.reaches(() -> (bench.status() & NEEDS_RESET) != 0 || queue.ring().hasUsed());
        bench.pci().configWrite(PciRegisters.COMMAND, 2, command);
        bench.that((bench.status() & NEEDS_RESET) != 0, "DEVICE_NEEDS_RESET is not set");
        bench.that(sent.in().firstOther(0, 0xa5) < 0, "the device used memory that no address led to");
    }
}
