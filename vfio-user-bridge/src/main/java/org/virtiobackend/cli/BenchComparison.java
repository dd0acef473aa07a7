package org.virtiobackend.cli;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;

/**
 * What restricted DMA costs: each load with data in guest memory, bounced through the device's memory, and living in it, one right
 * after the other, so that whatever else the machine does meets all three. Prints medians of the rounds' figures and of their
 * ratios as a Markdown table.
 *
 * <p>The bound of one copy is 1 / (1 / direct + 1 / copy), as if nothing overlapped; the copy is one of the load's block size and
 * number of buffers by a thread of its own, in its own cache.
 */
final class BenchComparison {
    private final String socket;
    private final List<BenchLoad> loads;
    private final long warmUpNanos;
    private final long nanos;
    private final Function<BufferPlace, EmbeddedDisk.Shape> shapes;

    /** One load in one round: requests and copies a second. */
    private record Round(double direct, double bounced, double premapped, double copies) {
        double bound() {
            return 1 / (1 / direct + 1 / copies);
        }
    }

    /** @param shapes how to drive the disk, for each place of the data */
    BenchComparison(
            String socket,
            List<BenchLoad> loads,
            long warmUpNanos,
            long nanos,
            Function<BufferPlace, EmbeddedDisk.Shape> shapes) {
        this.socket = socket;
        this.loads = loads;
        this.warmUpNanos = warmUpNanos;
        this.nanos = nanos;
        this.shapes = shapes;
    }

    void run(int rounds) throws IOException {
        Round[][] results = new Round[loads.size()][rounds];
        double[] roundTrips = new double[rounds];
        try (EmbeddedDisk disk = EmbeddedDisk.attach(socket, shapes.apply(BufferPlace.guest))) {
            BenchCommand.fillDisk(disk);
        }
        try {
            for (int round = 0; round < rounds; round++) {
                roundTrips[round] = CopySpeed.roundTripNanos();
                for (int i = 0; i < loads.size(); i++) {
                    results[i][round] = measure(loads.get(i));
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
        printHead(roundTrips);
        for (int i = 0; i < loads.size(); i++) {
            print(loads.get(i), results[i]);
        }
    }

    private Round measure(BenchLoad load) throws IOException {
        double direct = requestsPerSecond(load, BufferPlace.guest);
        double bounced = requestsPerSecond(load, BufferPlace.bounce);
        double premapped = requestsPerSecond(load, BufferPlace.region);
        CopySpeed copy = new CopySpeed(load.blockBytes(), load.depth());
        copy.bytesPerSecond(warmUpNanos / 4);
        return new Round(direct, bounced, premapped, copy.bytesPerSecond(nanos / 4) / load.blockBytes());
    }

    private double requestsPerSecond(BenchLoad load, BufferPlace place) throws IOException {
        EmbeddedDisk.Shape shape = shapes.apply(place);
        try (EmbeddedDisk disk = EmbeddedDisk.attach(socket, shape)) {
            BenchRun run = new BenchRun(disk, load, shape.slots());
            run.run(warmUpNanos);
            run.run(nanos);
            return run.requestsPerSecond();
        }
    }

    private void printHead(double[] roundTrips) {
        System.out.printf(
                Locale.ROOT,
                "Java %s, medians of %d rounds of %.0f s; a cache line takes %s ns to the other processor and back%n%n",
                System.getProperty("java.version"),
                roundTrips.length,
                nanos / 1e9,
                Arrays.stream(roundTrips).mapToObj(t -> "%.0f".formatted(t)).collect(Collectors.joining(", ")));
        System.out.println("| load | direct, requests/s | bounced | premapped | bounced / direct | one copy alone, MB/s"
                + " | bounced / its bound | premapped / direct |");
        System.out.println("|---|---:|---:|---:|---:|---:|---:|---:|");
    }

    private static void print(BenchLoad load, Round[] rounds) {
        double megabytes = load.blockBytes() / 1e6;
        System.out.printf(
                Locale.ROOT,
                "| %s | %,.0f | %,.0f | %,.0f | %.2f | %,.0f | %.2f | %.2f |%n",
                load.name(),
                median(rounds, Round::direct),
                median(rounds, Round::bounced),
                median(rounds, Round::premapped),
                median(rounds, r -> r.bounced / r.direct),
                median(rounds, r -> r.copies * megabytes),
                median(rounds, r -> r.bounced / r.bound()),
                median(rounds, r -> r.premapped / r.direct));
    }

    private static double median(Round[] rounds, ToDoubleFunction<Round> figure) {
        double[] sorted = Arrays.stream(rounds).mapToDouble(figure).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
