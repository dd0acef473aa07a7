package org.virtiobackend.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Locale;
import org.virtiobackend.virtio.VirtioFeature;

/** Results of a benchmark: a table for people or JSON for programs; progress on a terminal only. */
final class BenchReport {
    private static final double[] PERCENTILES = {50, 99, 99.9};

    private final boolean terminal;
    private final JsonGenerator json;

    BenchReport(boolean asJson, boolean terminal) throws IOException {
        this.terminal = terminal;
        this.json = asJson ? new JsonFactory().createGenerator(System.out) : null;
        if (json != null) {
            json.disable(JsonGenerator.Feature.AUTO_CLOSE_TARGET);
            json.useDefaultPrettyPrinter();
        }
    }

    void begin(EmbeddedDisk disk, String memory) throws IOException {
        if (json != null) {
            json.writeStartObject();
            json.writeStringField("memory", memory);
            json.writeNumberField("capacityBytes", disk.capacityBytes());
            json.writeStringField(
                    "features", "0x" + Long.toHexString(disk.driver().features()));
            json.writeStringField(
                    "featureNames", VirtioFeature.names(disk.driver().features()));
            json.writeStringField("java", System.getProperty("java.vm.version"));
            return;
        }
        System.out.println("disk of " + disk.capacityBytes() + " bytes, buffers in " + memory
                + " memory, driver on Java " + System.getProperty("java.version") + ", features "
                + VirtioFeature.names(disk.driver().features()));
    }

    void registerRead(LatencyHistogram times) throws IOException {
        if (json != null) {
            json.writeObjectFieldStart("registerRead");
            writeLatencies(times);
            json.writeEndObject();
            json.writeArrayFieldStart("loads");
            return;
        }
        clearProgress();
        System.out.println("register read over the socket: " + micros(times.percentile(50)) + " us (median)");
        System.out.printf(
                Locale.ROOT,
                "%-20s %12s %10s %10s %10s %10s %10s%n",
                "load",
                "requests/s",
                "MB/s",
                "p50 us",
                "p99 us",
                "p99.9 us",
                "max us");
    }

    void progress(String what) {
        if (terminal && json == null) {
            System.out.print("\r\033[K" + what + " ...");
            System.out.flush();
        }
    }

    void add(BenchLoad load, BenchRun run) throws IOException {
        LatencyHistogram times = run.latencies();
        if (json != null) {
            json.writeStartObject();
            json.writeStringField("name", load.name());
            json.writeNumberField("blockBytes", load.blockBytes());
            json.writeNumberField("depth", load.depth());
            json.writeNumberField("requests", times.count());
            json.writeNumberField("requestsPerSecond", Math.round(run.requestsPerSecond()));
            json.writeNumberField("bytesPerSecond", Math.round(run.bytesPerSecond()));
            json.writeObjectFieldStart("latency");
            writeLatencies(times);
            json.writeEndObject();
            json.writeEndObject();
            return;
        }
        clearProgress();
        System.out.printf(
                Locale.ROOT,
                "%-20s %12.0f %10.0f %10s %10s %10s %10s%n",
                load.name(),
                run.requestsPerSecond(),
                run.bytesPerSecond() / 1e6,
                micros(times.percentile(PERCENTILES[0])),
                micros(times.percentile(PERCENTILES[1])),
                micros(times.percentile(PERCENTILES[2])),
                micros(times.max()));
    }

    void end() throws IOException {
        if (json != null) {
            json.writeEndArray();
            json.writeEndObject();
            json.close();
            System.out.println();
        }
    }

    private void clearProgress() {
        if (terminal) {
            System.out.print("\r\033[K");
        }
    }

    private void writeLatencies(LatencyHistogram times) throws IOException {
        for (double percent : PERCENTILES) {
            String name =
                    "p" + (percent == Math.rint(percent) ? Long.toString((long) percent) : Double.toString(percent));
            json.writeNumberField(name + "Nanos", times.percentile(percent));
        }
        json.writeNumberField("maxNanos", times.max());
    }

    private static String micros(long nanos) {
        return String.format(Locale.ROOT, "%.2f", nanos / 1e3);
    }
}
