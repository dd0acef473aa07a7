package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import org.virtiobackend.posix.NativeBuffer;

/**
 * What restricted DMA costs: the same loads with data in guest memory, bounced through the device's memory, and living in it, in
 * turn, so that whatever else the machine does meets all three. Prints medians and ratios as a Markdown table.
 */
final class BenchComparison {
    private static final int COPY_BUFFERS = 8;

    private final String socket;
    private final List<BenchLoad> loads;
    private final long warmUpNanos;
    private final long nanos;
    private final Map<BufferPlace, double[][]> rates = new EnumMap<>(BufferPlace.class);
    private final Function<BufferPlace, EmbeddedDisk.Shape> shapes;
    private double[] copyRates;

    /** @param shapes how to drive the disk, for each place of the data */
    BenchComparison(
            String socket,
            List<BenchLoad> loads,
            long warmUpNanos,
            long nanos,
            Function<BufferPlace, EmbeddedDisk.Shape> shapes) {
        this.shapes = shapes;
        this.socket = socket;
        this.loads = loads;
        this.warmUpNanos = warmUpNanos;
        this.nanos = nanos;
    }

    void run(int rounds) throws IOException {
        copyRates = new double[rounds];
        for (BufferPlace place : BufferPlace.values()) {
            rates.put(place, new double[loads.size()][rounds]);
        }
        for (int round = 0; round < rounds; round++) {
            for (BufferPlace place : BufferPlace.values()) {
                measure(place, round);
            }
            copyRates[round] = copyBytesPerSecond();
        }
        print(rounds);
    }

    private void measure(BufferPlace place, int round) throws IOException {
        EmbeddedDisk.Shape shape = shapes.apply(place);
        try (EmbeddedDisk disk = EmbeddedDisk.attach(socket, shape)) {
            if (round == 0 && place == BufferPlace.guest) {
                BenchCommand.fillDisk(disk);
            }
            for (int i = 0; i < loads.size(); i++) {
                BenchRun run = new BenchRun(disk, loads.get(i), shape.slots());
                run.run(warmUpNanos);
                run.run(nanos);
                rates.get(place)[i][round] = run.requestsPerSecond();
            }
        }
    }

    /** How fast this machine copies the largest block between two sets of buffers, as bouncing does. */
    private double copyBytesPerSecond() {
        int bytes = BenchLoad.maxBlockBytes();
        ByteBuffer from =
                NativeBuffer.allocatePageAligned((long) bytes * COPY_BUFFERS).buffer();
        ByteBuffer to =
                NativeBuffer.allocatePageAligned((long) bytes * COPY_BUFFERS).buffer();
        copyFor(from, to, bytes, warmUpNanos / 4);
        return copyFor(from, to, bytes, nanos / 4);
    }

    private static double copyFor(ByteBuffer from, ByteBuffer to, int bytes, long nanos) {
        long start = System.nanoTime();
        long copied = 0;
        long now = start;
        for (int i = 0; now - start < nanos; i = (i + 1) % COPY_BUFFERS) {
            to.put(i * bytes, from, i * bytes, bytes);
            copied += bytes;
            now = System.nanoTime();
        }
        return copied * 1e9 / (now - start);
    }

    private void print(int rounds) {
        double copy = median(copyRates);
        System.out.printf(
                Locale.ROOT,
                "Java %s, medians of %d rounds of %.0f s; one copy alone: %,.0f MB/s%n%n",
                System.getProperty("java.version"),
                rounds,
                nanos / 1e9,
                copy / 1e6);
        System.out.println(
                "| load | direct, requests/s | bounced | premapped | bounced / direct | bounced / bound of one"
                        + " copy | premapped / direct |");
        System.out.println("|---|---:|---:|---:|---:|---:|---:|");
        for (int i = 0; i < loads.size(); i++) {
            BenchLoad load = loads.get(i);
            double direct = median(rates.get(BufferPlace.guest)[i]);
            double bounced = median(rates.get(BufferPlace.bounce)[i]);
            double premapped = median(rates.get(BufferPlace.region)[i]);
            double bound = 1 / (1 / direct + load.blockBytes() / copy);
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %,.0f | %,.0f | %,.0f | %.2f | %.2f | %.2f |%n",
                    load.name(),
                    direct,
                    bounced,
                    premapped,
                    bounced / direct,
                    bounced / bound,
                    premapped / direct);
        }
    }

    private static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }
}
