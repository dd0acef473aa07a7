package org.virtiobackend.cli;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.swiotlb.RegionSizing;
import org.virtiobackend.virtio.FeatureNames;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.pci.RegionPolicy;
import org.virtiobackend.virtio.pci.VendorData;
import org.virtiobackend.virtio.pci.VirtioPciOptions;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What every command that serves devices can be told. */
final class ServeOptions {
    /** What a device may do with guest memory. */
    enum Policy {
        restricted(RegionPolicy.Kind.RESTRICTED),
        prefer(RegionPolicy.Kind.PREFER),
        hint(RegionPolicy.Kind.HINT),
        direct(null);

        private final RegionPolicy.Kind kind;

        Policy(RegionPolicy.Kind kind) {
            this.kind = kind;
        }

        /** Null: no region. */
        RegionPolicy.Kind kind() {
            return kind;
        }
    }

    private static final long DEFAULT_REGION = 64L << 20;
    /** Header, status, indirect table and data of a small request, each on a page of its own. */
    private static final int PAGES_PER_REQUEST = 4;

    private static final int MAX_VECTORS = 2048;

    @Option(names = "--socket-path", paramLabel = "PATH", description = "listen on this UNIX socket (made, mode 0600)")
    private String socketPath;

    @Option(names = "--fd", paramLabel = "N", description = "listen on an inherited socket instead")
    private Integer fd;

    @Option(
            names = "--dma-policy",
            paramLabel = "POLICY",
            description =
                    "restricted, prefer, hint or direct: whether the driver must, should or may keep its buffers in the"
                            + " device's own memory (default: prefer with --region-size, otherwise direct)")
    private Policy policy;

    @Option(
            names = "--region-size",
            paramLabel = "SIZE",
            converter = SizeConverter.class,
            description = "size of the device's own memory, a power of two (default: 64M)")
    private Long regionSize;

    @Mixin
    private final FeatureOptions features = new FeatureOptions();

    @Option(
            names = "--notify-multiplier",
            paramLabel = "N",
            defaultValue = "4",
            description = "bytes between the notification addresses of two queues: a power of two, or 0 for one address"
                    + " (default: 4)")
    private int notifyMultiplier;

    @Option(
            names = "--msix-vectors",
            paramLabel = "N",
            description = "interrupt vectors, 1 to 2048 (default: one per queue and one for configuration changes)")
    private Integer msixVectors;

    @Option(
            names = "--vendor-data",
            paramLabel = "VENDOR:BYTES",
            converter = VendorDataConverter.class,
            description = "show a vendor data capability, hexadecimal, e.g. 1b36:0102")
    private VendorData vendorData;

    @Option(
            names = "--workers",
            paramLabel = "N",
            description =
                    "threads that serve queues (default: one for each queue, or pair of them with net, but no more than"
                            + " cores)")
    private Integer workers;

    @Option(
            names = "--poll-us",
            paramLabel = "N",
            converter = PollTimeConverter.class,
            description = "how long a thread polls before it sleeps: microseconds, always or adaptive (default)")
    private Long pollMicros;

    @Option(names = "--stats-file", paramLabel = "FILE", description = "write counters there, as JSON, every second")
    private String statsFile;

    private int[] pagesPerRequest;

    String socketPath() {
        return socketPath;
    }

    /** Number of an inherited descriptor, or null. */
    Integer fd() {
        return fd;
    }

    Policy policy() {
        if (policy != null) {
            return policy;
        }
        return regionSize == null ? Policy.direct : Policy.prefer;
    }

    long regionBytes() {
        return regionSize == null ? DEFAULT_REGION : regionSize;
    }

    /** How the function looks beyond what its device says. */
    VirtioPciOptions pciOptions() {
        VirtioPciOptions options = VirtioPciOptions.defaults();
        return options.withDisabledFeatures(features.disabled())
                .withTransportFeatures(options.transportFeatures() | features.enabled())
                .withNotifyMultiplier(notifyMultiplier)
                .withMsixVectors(msixVectors == null ? 0 : msixVectors)
                .withVendorData(vendorData == null ? List.of() : List.of(vendorData));
    }

    long pollMicros() {
        return pollMicros != null ? pollMicros : WorkerPool.ADAPTIVE;
    }

    String statsFile() {
        return statsFile;
    }

    int workers(int queues) {
        return workers != null ? workers : Math.min(queues, Runtime.getRuntime().availableProcessors());
    }

    /**
     * As below, with the names of the device type's own features for {@code --disable-feature}.
     */
    void check(int[] queueSizes, FeatureNames deviceFeatures) throws BadInputException {
        check(queueSizes, deviceFeatures, 0);
    }

    /** @param onRequest features of the device type that have to be enabled to be offered */
    void check(int[] queueSizes, FeatureNames deviceFeatures, long onRequest) throws BadInputException {
        features.setDevice(deviceFeatures, onRequest);
        check(queueSizes);
    }

    /** @param queueSizes entries of each queue of a device */
    void check(int[] queueSizes) throws BadInputException {
        if ((socketPath == null) == (fd == null)) {
            throw new BadInputException("exactly one of --socket-path and --fd is needed");
        }
        if (fd != null && fd < 0) {
            throw new BadInputException("--fd=" + fd + " is not a descriptor");
        }
        if (workers != null && (workers < 1 || workers > 1024)) {
            throw new BadInputException("--workers must be 1 to 1024");
        }
        if (policy == Policy.direct && regionSize != null) {
            throw new BadInputException("--region-size has no meaning with --dma-policy=direct");
        }
        features.check();
        if (msixVectors != null && (msixVectors < 1 || msixVectors > MAX_VECTORS)) {
            throw new BadInputException("--msix-vectors must be 1 to " + MAX_VECTORS);
        }
        checkPciOptions(queueSizes.length);
        if (statsFile != null && !isInWritableDirectory(Path.of(statsFile))) {
            throw new BadInputException("--stats-file=" + statsFile + " is not in a directory that can be written to");
        }
        if (policy() != Policy.direct) {
            features.checkRegion(policy());
            checkRegion(queueSizes);
        }
    }

    private void checkPciOptions(int queues) throws BadInputException {
        try {
            pciOptions().check(queues);
        } catch (IllegalArgumentException e) {
            throw new BadInputException("--notify-multiplier: " + e.getMessage());
        }
    }

    private static boolean isInWritableDirectory(Path file) {
        Path directory = file.toAbsolutePath().getParent();
        return directory != null
                && Files.isDirectory(directory)
                && Files.isWritable(directory)
                && !Files.isDirectory(file);
    }

    /**
     * Says how many pages of a region one request of each queue needs, where it is not what a disk needs. Before
     * {@link #check}.
     */
    void setPagesPerRequest(int[] pages) {
        pagesPerRequest = pages.clone();
    }

    private void checkRegion(int[] queueSizes) throws BadInputException {
        long bytes = regionBytes();
        if (Long.bitCount(bytes) != 1 || bytes < BarMemory.MIN_BYTES) {
            throw new BadInputException("--region-size must be a power of two of at least 64K");
        }
        int[] pages = pagesPerRequest;
        if (pages == null) {
            pages = new int[queueSizes.length];
            Arrays.fill(pages, PAGES_PER_REQUEST);
        }
        long needed = RegionSizing.requiredBytes(queueSizes, pages);
        if (bytes < needed) {
            throw new BadInputException("--region-size=" + bytes + " is too small: " + queueSizes.length
                    + " queues need "
                    + needed + " bytes = page + page * sum over queues of (ring pages + entries * "
                    + (pagesPerRequest == null ? PAGES_PER_REQUEST : "pages of a request")
                    + "), so at least " + RegionSizing.roundUp(needed));
        }
    }
}
