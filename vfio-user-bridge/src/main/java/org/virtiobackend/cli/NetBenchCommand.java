package org.virtiobackend.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures the network device with the embedded driver. */
@Command(
        name = "bench-net",
        description =
                "Measures the network device with the embedded driver, over a loop: frames a second, MB/s, latency"
                        + " percentiles around the loop. Starts a back end of its own, both sides polling.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class NetBenchCommand implements CliCommand {
    /** One load: frame size and frames under way. */
    private record Load(int frameBytes, int depth) {}

    private static final List<Load> LOADS =
            List.of(new Load(64, 1), new Load(64, 64), new Load(1514, 1), new Load(1514, 64), new Load(60_000, 8));
    private static final int SLOTS = 128;
    private static final int MAX_FRAME = 60_000;

    @Option(names = "--seconds", paramLabel = "N", defaultValue = "3", description = "for each load (default: 3)")
    private int seconds;

    @Option(names = "--warm-up", paramLabel = "N", defaultValue = "2", description = "seconds before each (default: 2)")
    private int warmUp;

    @Option(
            names = "--backend-option",
            paramLabel = "OPTION",
            description = "more for the back end, e.g. --backend-option=--dma-policy=restricted")
    private List<String> backendOptions = new ArrayList<>();

    @Option(names = "--json", description = "results as JSON")
    private boolean json;

    @Mixin
    private LogOptions logOptions;

    @Override
    public Integer call() throws BadInputException, IOException {
        if (seconds < 1 || warmUp < 0) {
            throw new BadInputException("--seconds must be at least 1, --warm-up at least 0");
        }
        Path directory = Files.createTempDirectory("virtio-backend-bench");
        Path socket = directory.resolve("vfio-user.sock");
        List<String> arguments = new ArrayList<>(
                List.of("net", "--socket-path=" + socket, "--backend=loopback", "--poll-us=always", "--workers=1"));
        arguments.addAll(backendOptions);
        try (BackendProcess backend = BackendProcess.start(arguments)) {
            try (EmbeddedNic nic = EmbeddedNic.attach(socket.toString(), SLOTS, MAX_FRAME)) {
                measure(nic);
            }
            backend.stop();
        } finally {
            Files.deleteIfExists(socket);
            Files.deleteIfExists(directory);
        }
        return ExitStatus.OK;
    }

    private void measure(EmbeddedNic nic) throws IOException {
        PrintStream out = System.out;
        List<String> results = new ArrayList<>();
        if (!json) {
            out.println("memory: " + (nic.isInRegion() ? "the device's own" : "guest"));
            out.println("| frames | under way | frames/s | MB/s | p50 us | p99 us | p99.9 us |");
            out.println("|---:|---:|---:|---:|---:|---:|---:|");
        }
        for (Load load : LOADS) {
            NetBenchRun run = new NetBenchRun(nic, load.frameBytes(), load.depth());
            run.run(TimeUnit.SECONDS.toNanos(warmUp));
            run.run(TimeUnit.SECONDS.toNanos(seconds));
            LatencyHistogram latency = run.latencies();
            String form = json
                    ? "{\"frameBytes\": %d, \"depth\": %d, \"framesPerSecond\": %.0f, \"megabytesPerSecond\": %.1f,"
                            + " \"p50Micros\": %.2f, \"p99Micros\": %.2f, \"p999Micros\": %.2f}"
                    : "| %d B | %d | %,.0f | %,.0f | %.2f | %.2f | %.2f |";
            String line = String.format(
                    Locale.ROOT,
                    form,
                    load.frameBytes(),
                    load.depth(),
                    run.framesPerSecond(),
                    run.bytesPerSecond() / 1e6,
                    latency.percentile(50) / 1e3,
                    latency.percentile(99) / 1e3,
                    latency.percentile(99.9) / 1e3);
            if (json) {
                results.add(line);
            } else {
                out.println(line);
            }
        }
        if (json) {
            out.println("[" + String.join(",\n ", results) + "]");
        }
    }
}
