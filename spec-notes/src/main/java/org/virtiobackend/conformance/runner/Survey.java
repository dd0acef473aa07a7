package org.virtiobackend.conformance.runner;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.io.IOException;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.virtiobackend.conformance.clause.Condition;
import org.virtiobackend.pci.PciRegisters;
import org.virtiobackend.pci.driver.PciCapabilities;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.vfiouser.wire.Irq;
import org.virtiobackend.virtio.DeviceStatus;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.pci.VirtioPciCapability;
import org.virtiobackend.virtio.pci.driver.VirtioPciDriver;

/** What there is to check: the device's type, offer and properties, the memory it works with, the sets of features. */
final class Survey {
    private static final long CHOOSABLE = VIRTIO_F_INDIRECT_DESC
            | VIRTIO_F_EVENT_IDX
            | VIRTIO_F_ACCESS_PLATFORM
            | VIRTIO_F_RING_PACKED
            | VIRTIO_F_IN_ORDER
            | VIRTIO_F_ORDER_PLATFORM
            | VIRTIO_F_NOTIFICATION_DATA
            | VIRTIO_F_NOTIF_CONFIG_DATA
            | VIRTIO_F_RING_RESET
            | VIRTIO_F_SUSPEND;

    private static final long REFUSED = -1;

    private final Station station;
    private final Target target;
    private final Trace trace;
    private final Map<Integer, Probe> probes;
    private final RunOptions options;
    private final Set<String> words = new HashSet<>();
    private final Map<MemoryKind, List<Configuration>> sets = new EnumMap<>(MemoryKind.class);
    private final List<String> remarks = new ArrayList<>();
    private int deviceType;
    private long offered;
    private String obstacle;

    Survey(Station station, Target target, Trace trace, Map<Integer, Probe> probes, RunOptions options) {
        this.target = target;
        this.trace = trace;
        this.station = station;
        this.probes = probes;
        this.options = options;
    }

    /** Looks at everything; afterwards {@link #obstacle} tells whether the device can be driven at all. */
    void look() throws CannotRunException {
        Link link;
        try {
            link = station.link(MemoryKind.DIRECT);
            identify(link.pci());
        } catch (IOException e) {
            throw new CannotRunException(target.socketPath() + ": " + e.getMessage());
        }
        try {
            VirtioPciDriver driver = link.driver();
            offered = driver.offeredFeatures();
            describe(link, driver);
            for (MemoryKind kind : MemoryKind.values()) {
                if (options.uses(kind)) {
                    tryMemory(kind);
                }
            }
        } catch (IOException e) {
            obstacle = e.getMessage();
        }
    }

    private void identify(PciDevice pci) throws IOException, CannotRunException {
        int vendor = (int) pci.configRead(PciRegisters.VENDOR_ID, 2);
        int device = (int) pci.configRead(PciRegisters.DEVICE_ID, 2);
        deviceType = device - VirtioPciCapability.DEVICE_ID_BASE;
        if (vendor != VirtioPciCapability.VENDOR_ID
                && PciCapabilities.list(pci).stream().noneMatch(c -> c.id() == PciRegisters.CAP_ID_VENDOR)) {
            throw new CannotRunException(String.format("no virtio device: PCI id %04x:%04x", vendor, device));
        }
    }

    private void describe(Link link, VirtioPciDriver driver) throws IOException {
        word("msix", link.pci().msixVectors() > 0);
        word("intx", link.client().irqInfo(Irq.INTX).count() > 0);
        word("config-change", target.changer() != null);
        word("peer", target.peer() != null && deviceType == VirtioDeviceId.NET);
        for (PciCapabilities.Capability capability : PciCapabilities.list(link.pci())) {
            if (capability.id() == PciRegisters.CAP_ID_VENDOR) {
                long type = link.pci().configRead(capability.offset() + VirtioPciCapability.CFG_TYPE, 1);
                word("vendor-cap", type == VirtioPciCapability.VIRTIO_PCI_CAP_VENDOR_CFG);
                word("shm-cap", type == VirtioPciCapability.VIRTIO_PCI_CAP_SHARED_MEMORY_CFG);
                word("swiotlb-cap", type == RestrictedDma.VIRTIO_PCI_CAP_SWIOTLB);
            }
        }
    }

    private void word(String word, boolean given) {
        if (given) {
            words.add(word);
        }
    }

    private void tryMemory(MemoryKind kind) {
        if (kind.isRegion() && (offered & kind.feature()) == 0) {
            return;
        }
        try {
            Link link = station.ready(kind);
            long always = required(link, kind);
            if (always == REFUSED) {
                remarks.add(kind.text() + ": the device refuses FEATURES_OK");
                return;
            }
            Probe probe = probe();
            if (kind == MemoryKind.MESSAGES && !asksByMessages(link, always)) {
                remarks.add(kind.text() + ": the device does not ask for memory");
                station.drop();
                return;
            }
            long choosable = offered & (CHOOSABLE | (probe == null ? 0 : probe.choosable()));
            List<Configuration> found = new ArrayList<>();
            for (long set : FeatureSets.pairwise(
                    choosable, always | (probe == null ? 0 : probe.required()), deviceType, options.seed())) {
                found.add(new Configuration(kind, set, deviceType));
            }
            sets.put(kind, List.copyOf(found));
        } catch (IOException | CheckFailure e) {
            remarks.add(kind.text() + ": " + e.getMessage());
            station.drop();
        }
    }

    /** Many servers take memory without a descriptor and never ask for it. */
    private boolean asksByMessages(Link link, long features) throws IOException {
        Probe probe = probe();
        if (probe == null) {
            return false;
        }
        Configuration plain = new Configuration(MemoryKind.MESSAGES, features | probe.required(), deviceType);
        Findings none = new Findings(Map.of(), clause -> false, trace);
        link.prepare();
        Bench bench = new Bench(link, target, plain, probe, trace, none, options.seed());
        LiveQueue queue = bench.start();
        queue.put(LiveQueue.Shape.PLAIN);
        queue.go();
        return bench.reaches(() -> !link.log().accesses().isEmpty());
    }

    /** Bits that the device insists on with this kind of memory; {@link #REFUSED} when it refuses whatever is tried. */
    private long required(Link link, MemoryKind kind) throws IOException {
        long base = VIRTIO_F_VERSION_1 & offered | kind.feature();
        for (long extra :
                new long[] {0, VIRTIO_F_ACCESS_PLATFORM, VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM}) {
            if ((extra & offered) == extra && accepts(link, base | extra)) {
                return base | extra;
            }
        }
        long all = offered & CHOOSABLE | base;
        return accepts(link, all) ? base | offered & (VIRTIO_F_ACCESS_PLATFORM | VIRTIO_F_ORDER_PLATFORM) : REFUSED;
    }

    private static boolean accepts(Link link, long features) throws IOException {
        VirtioPciDriver driver = link.driver();
        driver.reset();
        driver.setStatus(DeviceStatus.ACKNOWLEDGE);
        driver.setStatus(DeviceStatus.DRIVER);
        driver.registers().driverFeatures(0, features & 0xffff_ffffL);
        driver.registers().driverFeatures(1, features >>> 32);
        driver.setStatus(DeviceStatus.FEATURES_OK);
        boolean accepted = (driver.registers().status() & DeviceStatus.FEATURES_OK) != 0;
        driver.reset();
        return accepted;
    }

    /** Why no driver could drive the device, or null. */
    String obstacle() {
        return obstacle;
    }

    /** Kinds of memory that cannot be used, with the reason. */
    List<String> remarks() {
        return remarks;
    }

    int deviceType() {
        return deviceType;
    }

    long offered() {
        return offered;
    }

    /** How to put requests to the device, or null. */
    Probe probe() {
        Probe probe = probes.get(deviceType);
        return probe != null && (offered & probe.required()) == probe.required() ? probe : null;
    }

    /** Sets of features by kind of memory, in the order in which the kinds are used. */
    Map<MemoryKind, List<Configuration>> sets() {
        return sets;
    }

    /** Whether the condition names features, and the device offers them. */
    boolean offers(Condition condition) {
        Predicate<String> isOffered = name -> (offered & FeatureTable.mask(name, deviceType)) != 0;
        return condition.namesFeatures() && condition.holds(isOffered, isOffered, word -> true);
    }

    /** Sets with which the condition holds, those of the memory included: the smallest and the largest. */
    List<Configuration> fitting(Condition condition, Condition more, MemoryKind kind) {
        List<Configuration> all = sets.get(kind);
        long always = all.stream().mapToLong(Configuration::features).reduce(-1, (a, b) -> a & b);
        long rings = offered & CHOOSABLE;
        return FittingSets.of(List.of(condition, more), always, rings, offered, deviceType).stream()
                .map(set -> new Configuration(kind, set, deviceType))
                .filter(set -> holds(condition, set) && holds(more, set))
                .toList();
    }

    /** Whether the condition holds in a configuration. */
    boolean holds(Condition condition, Configuration configuration) {
        return condition.holds(
                name -> configuration.has(FeatureTable.mask(name, deviceType)),
                name -> (offered & FeatureTable.mask(name, deviceType)) != 0,
                word -> words.contains(word)
                        || word.equals("dma-messages") && configuration.memory() == MemoryKind.MESSAGES);
    }
}
