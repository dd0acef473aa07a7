package org.virtiobackend.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.virtio.RestrictedDma;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.driver.DeviceRegion;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows the whole path at work, without a VM. */
@Command(
        name = "demo",
        description =
                "Serves a fresh disk image from a process of its own, drives it over the real socket as a guest would,"
                        + " verifies what was written and shows what the back end could see of the guest's memory.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class DemoCommand implements CliCommand {
    private static final long IMAGE_BYTES = 64L << 20;
    private static final int DEPTH = 32;
    private static final int REQUEST_BYTES = 256 << 10;
    private static final long STATS_NANOS = TimeUnit.SECONDS.toNanos(10);

    @Option(
            names = "--dma-policy",
            paramLabel = "POLICY",
            defaultValue = "restricted",
            description = "restricted, prefer, hint or direct (default: ${DEFAULT-VALUE})")
    private ServeOptions.Policy policy;

    @Mixin
    private final FeatureOptions features = new FeatureOptions();

    @Mixin
    private LogOptions logOptions;

    private final DemoReport report = new DemoReport(System.out, System.console() != null);

    @Override
    public Integer call() throws BadInputException, IOException {
        features.setDevice(VirtioBlk.FEATURES, 0);
        features.check();
        Path directory = Files.createTempDirectory("virtio-backend-demo");
        try {
            report.title("A virtio disk in a process of its own, driven over vfio-user without a VM");
            run(directory);
            return report.end() ? ExitStatus.OK : ExitStatus.FAULT;
        } finally {
            remove(directory);
        }
    }

    private void run(Path directory) throws IOException {
        Path image = directory.resolve("disk.img");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(IMAGE_BYTES);
        }
        Path socket = directory.resolve("vfio-user.sock");
        Path stats = directory.resolve("stats.json");
        List<String> arguments = new ArrayList<>(List.of(
                "blk",
                "--socket-path=" + socket,
                "--image=" + image,
                "--image-format=raw",
                "--dma-policy=" + policy,
                "--stats-file=" + stats,
                "--serial=demo-disk"));
        arguments.addAll(features.forBackend());
        try (BackendProcess backend = BackendProcess.start(arguments)) {
            report.fact(
                    "back end",
                    "process " + backend.pid() + ", policy " + policy + ", image of " + (IMAGE_BYTES >> 20)
                            + " MiB, socket " + socket);
            drive(backend, socket, image, stats);
            int status = backend.stop();
            report.check(
                    status == 0 && Files.notExists(socket),
                    "SIGTERM: the back end ended with status " + status + " and its socket is gone");
        }
    }

    private void drive(BackendProcess backend, Path socket, Path image, Path stats) throws IOException {
        BufferPlace place = policy == ServeOptions.Policy.direct ? BufferPlace.guest : BufferPlace.bounce;
        EmbeddedDisk.Shape shape =
                new EmbeddedDisk.Shape(DEPTH, REQUEST_BYTES, place, true, features.enabled(), features.disabled());
        try (EmbeddedDisk disk = EmbeddedDisk.attach(socket.toString(), shape)) {
            describe(disk);
            new DemoIo(disk, shape, report).run(image);
            measure(disk);
            bounced(disk);
            guestMemory(backend, stats);
        }
    }

    private void describe(EmbeddedDisk disk) throws IOException {
        long features = disk.driver().features();
        report.fact(
                "device",
                "virtio block, " + (disk.capacityBytes() >> 20) + " MiB, "
                        + disk.driver().queueCount() + " queue, ring of " + disk.queueSize());
        report.fact("agreed", VirtioFeature.names(features) + " | " + VirtioBlk.featureNames(features));
        DeviceRegion region = disk.region();
        if (region == null) {
            report.fact("memory", "the guest's, shared with the device");
        } else {
            boolean dmb = (features & RestrictedDma.VIRTIO_F_DMB) != 0;
            report.fact(
                    "memory",
                    "the device's own: " + (region.length() >> 20) + " MiB in BAR " + region.bar()
                            + (dmb
                                    ? ", addresses are offsets in it (DMB)"
                                    : ", addresses are bus addresses (SWIOTLB)"));
        }
    }

    private void measure(EmbeddedDisk disk) throws IOException {
        for (BenchLoad load : List.of(BenchLoad.named("randread-4k-qd1"), BenchLoad.named("randread-4k-qd32"))) {
            BenchRun run = new BenchRun(disk, load, DEPTH);
            run.run(TimeUnit.MILLISECONDS.toNanos(1500));
            run.run(TimeUnit.SECONDS.toNanos(1));
            report.fact(
                    "speed",
                    String.format(
                            Locale.ROOT,
                            "4 KiB random read, %d out: %,.0f a second, median %.1f us",
                            load.depth(),
                            run.requestsPerSecond(),
                            run.latencies().percentile(50) / 1e3));
        }
    }

    private void bounced(EmbeddedDisk disk) {
        BouncePool pool = disk.pool();
        if (pool != null) {
            report.fact(
                    "bounced",
                    String.format(
                            Locale.ROOT,
                            "%,d buffers, %,d MiB copied, once each; at most %,d KiB of the region at a time",
                            pool.mapCount(),
                            pool.copiedBytes() >> 20,
                            pool.highWaterBytes() >> 10));
        }
    }

    /** What the back end had of the guest's memory: by its own counters, and as the kernel sees its address space. */
    private void guestMemory(BackendProcess backend, Path stats) throws IOException {
        JsonNode device = freshStatistics(stats).path("devices").path(0);
        long mapped = device.path("dma").path("guestRamMappedBytes").asLong(-1);
        long messages = device.path("dma").path("messagesSent").asLong(-1);
        boolean visible;
        try (Stream<String> maps = Files.lines(Path.of("/proc", Long.toString(backend.pid()), "maps"))) {
            visible = maps.anyMatch(line -> line.contains(EmbeddedGuest.MEMORY));
        }
        report.fact(
                "counters",
                "guest RAM mapped " + mapped + " bytes, DMA messages " + messages + ", requests "
                        + device.path("queues").path(0).path("requests").asLong() + ", region used up to byte "
                        + device.path("region").path("highWaterBytes").asLong());
        if (policy == ServeOptions.Policy.restricted || policy == ServeOptions.Policy.prefer) {
            report.check(
                    mapped == 0 && messages == 0 && !visible,
                    "the guest offered its RAM; the back end mapped none of it (counters and /proc/PID/maps agree)");
        } else {
            report.check(
                    mapped > 0 && visible,
                    "this policy lets the back end map the guest's RAM, and it does (counters and /proc/PID/maps"
                            + " agree)");
        }
    }

    /** Statistics written after this call. */
    private static JsonNode freshStatistics(Path stats) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        long since = System.currentTimeMillis();
        long deadline = System.nanoTime() + STATS_NANOS;
        while (System.nanoTime() < deadline) {
            JsonNode tree = mapper.readTree(stats.toFile());
            if (tree.path("timeMillis").asLong() > since) {
                return tree;
            }
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(50));
        }
        throw new IOException("the back end does not write its statistics");
    }

    private static void remove(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.deleteIfExists(file);
            }
        }
        Files.delete(directory);
    }
}
