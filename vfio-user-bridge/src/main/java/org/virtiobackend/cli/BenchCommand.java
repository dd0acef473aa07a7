package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures a back end with the embedded driver. */
@Command(
        name = "bench",
        description =
                "Measures a block back end with the embedded driver: requests a second, MB/s, latency percentiles."
                        + " Without --socket-path it starts a back end of its own, both sides polling.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class BenchCommand implements CliCommand {
    private static final int REGISTER_READS = 5_000;

    @Option(names = "--socket-path", paramLabel = "PATH", description = "measure the back end that listens there")
    private String socketPath;

    @Option(
            names = "--image",
            paramLabel = "FILE",
            defaultValue = "ram:1G",
            description = "raw image for the back end of its own; it is overwritten (default: ${DEFAULT-VALUE})")
    private String image;

    @Option(
            names = "--backend-option",
            paramLabel = "OPTION",
            description = "more for the back end of its own, e.g. --backend-option=--cache=direct")
    private List<String> backendOptions = new ArrayList<>();

    @Option(
            names = "--memory",
            paramLabel = "WHERE",
            defaultValue = "guest",
            description =
                    "guest: memory shared with the device; bounce: copied through the device's own; region: buffers"
                            + " live in the device's own (default: ${DEFAULT-VALUE})")
    private BufferPlace memory;

    @Option(
            names = "--compare",
            paramLabel = "N",
            description = "measure guest, bounce and region in turn, N rounds, and show medians and ratios")
    private int rounds;

    @Option(names = "--seconds", paramLabel = "N", defaultValue = "5", description = "for each load (default: 5)")
    private int seconds;

    @Option(names = "--warm-up", paramLabel = "N", defaultValue = "2", description = "seconds before each (default: 2)")
    private int warmUp;

    @Option(
            names = "--load",
            paramLabel = "NAME",
            split = ",",
            description = "only these, of randread-4k-qd1, randread-4k-qd32, randwrite-4k-qd1, randwrite-4k-qd32,"
                    + " randread-128k-qd8, randwrite-128k-qd8, seqread-128k-qd8")
    private List<String> names = new ArrayList<>();

    @Option(names = "--indirect", description = "use indirect descriptors")
    private boolean indirect;

    @Mixin
    private final FeatureOptions features = new FeatureOptions();

    @Option(names = "--json", description = "results as JSON")
    private boolean json;

    @Mixin
    private LogOptions logOptions;

    @Override
    public Integer call() throws BadInputException, IOException {
        List<BenchLoad> loads = chosen();
        features.setDevice(VirtioBlk.FEATURES, 0);
        features.check();
        if (seconds < 1 || warmUp < 0) {
            throw new BadInputException("--seconds must be at least 1, --warm-up at least 0");
        }
        if (socketPath != null) {
            measureOrCompare(socketPath, loads);
            return ExitStatus.OK;
        }
        Path directory = Files.createTempDirectory("virtio-backend-bench");
        Path socket = directory.resolve("vfio-user.sock");
        try (BackendProcess backend = BackendProcess.start(backendArguments(socket))) {
            measureOrCompare(socket.toString(), loads);
            backend.stop();
        } finally {
            Files.deleteIfExists(socket);
            Files.deleteIfExists(directory);
        }
        return ExitStatus.OK;
    }

    private List<BenchLoad> chosen() throws BadInputException {
        for (String name : names) {
            if (BenchLoad.ALL.stream().noneMatch(load -> load.name().equals(name))) {
                throw new BadInputException("--load: there is no " + name);
            }
        }
        return BenchLoad.ALL.stream()
                .filter(load -> names.isEmpty() || names.contains(load.name()))
                .toList();
    }

    private List<String> backendArguments(Path socket) {
        List<String> arguments = new ArrayList<>(List.of(
                "blk", "--socket-path=" + socket, "--image=" + image, "--image-format=raw", "--poll-us=always"));
        if (rounds > 0) {
            arguments.add("--dma-policy=prefer");
        } else if (memory.inRegion()) {
            arguments.add("--dma-policy=restricted");
        }
        arguments.addAll(features.forBackend());
        arguments.addAll(backendOptions);
        return arguments;
    }

    private void measureOrCompare(String socket, List<BenchLoad> loads) throws IOException {
        if (rounds > 0) {
            long warm = TimeUnit.SECONDS.toNanos(warmUp);
            new BenchComparison(socket, loads, warm, TimeUnit.SECONDS.toNanos(seconds), this::shape).run(rounds);
        } else {
            measure(socket, loads);
        }
    }

    private EmbeddedDisk.Shape shape(BufferPlace place) {
        return new EmbeddedDisk.Shape(
                BenchLoad.maxDepth(),
                BenchLoad.maxBlockBytes(),
                place,
                indirect,
                features.enabled(),
                features.disabled());
    }

    private void measure(String socket, List<BenchLoad> loads) throws IOException {
        int slots = BenchLoad.maxDepth();
        EmbeddedDisk.Shape shape = shape(memory);
        BenchReport report = new BenchReport(json, System.console() != null);
        try (EmbeddedDisk disk = EmbeddedDisk.attach(socket, shape)) {
            report.begin(disk, memory.name());
            report.progress("filling the disk");
            fillDisk(disk);
            report.registerRead(registerRead(disk));
            for (BenchLoad load : loads) {
                BenchRun run = new BenchRun(disk, load, slots);
                report.progress(load.name() + " warming up");
                run.run(TimeUnit.SECONDS.toNanos(warmUp));
                report.progress(load.name() + " measuring");
                run.run(TimeUnit.SECONDS.toNanos(seconds));
                report.add(load, run);
            }
            report.end();
        }
    }

    /** Writes every block once, so that no later request is the first to touch its memory. */
    static void fillDisk(EmbeddedDisk disk) throws IOException {
        BenchLoad fill = new BenchLoad("fill", BenchLoad.maxBlockBytes(), 8, true, true);
        BenchRun run = new BenchRun(disk, fill, BenchLoad.maxDepth());
        long blocks = disk.capacityBytes() / fill.blockBytes();
        long written = 0;
        while (written < blocks) {
            run.run(TimeUnit.MILLISECONDS.toNanos(100));
            written += run.latencies().count();
        }
    }

    /** How long a read of a register of the common configuration takes over the socket. */
    private static LatencyHistogram registerRead(EmbeddedDisk disk) throws IOException {
        LatencyHistogram times = new LatencyHistogram();
        for (int i = 0; i < 2 * REGISTER_READS; i++) {
            if (i == REGISTER_READS) {
                times.clear();
            }
            long start = System.nanoTime();
            disk.driver().registers().common(CommonConfigLayout.DEVICE_STATUS, 1);
            times.record(System.nanoTime() - start);
        }
        return times;
    }
}
