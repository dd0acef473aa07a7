package org.virtiobackend.cli;

import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.virtiobackend.virtio.FeatureNames;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import picocli.CommandLine.Option;

/** Which features a device offers, or the embedded driver accepts, beyond and short of the usual ones. */
final class FeatureOptions {
    private static final FeatureNames NONE = new FeatureNames("");
    private static final String ALL = "ALL";
    private static final long REGION_FEATURES = RestrictedDma.VIRTIO_F_SWIOTLB | RestrictedDma.VIRTIO_F_DMB;
    /** What can be had beyond the usual: some costs something, some no driver in use knows. */
    private static final long POSSIBLE = VirtioPciOptions.SUPPORTED_FEATURES & ~VIRTIO_F_VERSION_1;

    @Option(names = "--packed", description = "packed virtqueues too, the same as --enable-feature=RING_PACKED")
    private boolean packed;

    @Option(
            names = "--enable-feature",
            paramLabel = "NAME",
            split = ",",
            description = "RING_PACKED, IN_ORDER, NOTIFICATION_DATA, NOTIF_CONFIG_DATA, ORDER_PLATFORM, SUSPEND, for a"
                    + " network RSS and HASH_REPORT, or ALL of these; may be repeated")
    private List<String> enabled = new ArrayList<>();

    @Option(
            names = "--disable-feature",
            paramLabel = "NAME",
            split = ",",
            description = "not this feature of the specification, e.g. EVENT_IDX or DISCARD; may be repeated")
    private List<String> disabled = new ArrayList<>();

    private FeatureNames device = NONE;
    /** Features of the device type that have to be asked for. */
    private long onRequest;

    /**
     * What features the device type has.
     *
     * @param onRequestOnly those that are not offered unless enabled
     */
    void setDevice(FeatureNames names, long onRequestOnly) {
        device = names;
        onRequest = onRequestOnly;
    }

    /** Features of transport and rings in addition to the usual ones. */
    long enabled() {
        return named() & POSSIBLE | (packed ? VIRTIO_F_RING_PACKED : 0);
    }

    long disabled() {
        return disabled.stream().mapToLong(this::byName).reduce(0, (a, b) -> a | b) | onRequest & ~named();
    }

    private long named() {
        return enabled.stream().mapToLong(this::possible).reduce(0, (a, b) -> a | b);
    }

    /** The same options for a back end that is to offer what the driver wants to accept. */
    List<String> forBackend() {
        List<String> arguments = new ArrayList<>();
        if (packed) {
            arguments.add("--packed");
        }
        enabled.forEach(name -> arguments.add("--enable-feature=" + name));
        return arguments;
    }

    private long possible(String name) {
        boolean all = name.toUpperCase(Locale.ROOT).equals(ALL);
        return all ? POSSIBLE | onRequest : byName(name) & (POSSIBLE | onRequest);
    }

    private long byName(String name) {
        long common = VirtioFeature.byName(name);
        return common != 0 ? common : device.byName(name);
    }

    void check() throws BadInputException {
        for (String name : enabled) {
            if (possible(name) == 0) {
                throw new BadInputException(("--enable-feature: " + name + " is not one of ALL "
                                + VirtioFeature.names(POSSIBLE) + " " + device.names(onRequest))
                        .trim());
            }
        }
        for (String name : disabled) {
            long feature = byName(name);
            if (feature == 0) {
                throw new BadInputException("--disable-feature: there is no feature " + name + "; there are "
                        + (VirtioFeature.names(-1) + " " + device.names(-1)).trim());
            }
            if (feature == VIRTIO_F_VERSION_1) {
                throw new BadInputException("--disable-feature: " + name + " cannot be switched off");
            }
        }
    }

    /** What only matters to a device with memory of its own. */
    void checkRegion(ServeOptions.Policy policy) throws BadInputException {
        long off = disabled();
        if (policy == ServeOptions.Policy.restricted && (off & REGION_FEATURES) == REGION_FEATURES) {
            throw new BadInputException("--disable-feature: without SWIOTLB and DMB no driver could use a device with"
                    + " --dma-policy=restricted");
        }
        boolean offersDmb = policy != ServeOptions.Policy.hint && (off & RestrictedDma.VIRTIO_F_DMB) == 0;
        if (offersDmb && (off & VIRTIO_F_ACCESS_PLATFORM) != 0) {
            throw new BadInputException("--disable-feature: DMB needs ACCESS_PLATFORM; disable DMB as well");
        }
    }
}
