package org.virtiobackend.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import org.virtiobackend.swiotlb.BarMemory;
import org.virtiobackend.virtio.device.worker.QueueStatistics;

/**
 * The counters of a process as a JSON file that is replaced as a whole, so that a reader never sees half of it.
 * {@code devices} are the clients of this moment; {@code totals} count those that have gone as well.
 */
final class StatsFile {
    private static final JsonFactory JSON = new JsonFactory();

    private final Path file;
    private final List<Listener> listeners;
    private final ServerCounters counters;

    StatsFile(Path file, List<Listener> listeners) {
        this.file = file;
        this.listeners = List.copyOf(listeners);
        this.counters = new ServerCounters(this.listeners);
    }

    void write() throws IOException {
        Path whole = file.resolveSibling(file.getFileName() + ".tmp");
        Files.writeString(whole, text());
        Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private String text() throws IOException {
        StringWriter text = new StringWriter();
        long mapped = 0;
        try (JsonGenerator json = JSON.createGenerator(text)) {
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            json.writeNumberField("timeMillis", System.currentTimeMillis());
            json.writeArrayFieldStart("devices");
            for (Listener listener : listeners) {
                for (ClientTable.Entry entry : listener.clients().clients()) {
                    mapped += entry.dmaMap().mappedBytes();
                    writeDevice(json, listener.export(), entry);
                }
            }
            json.writeEndArray();
            writeTotals(json);
            json.writeObjectFieldStart("dma");
            json.writeNumberField("guestRamMappedBytes", mapped);
            json.writeNumberField("guestRamMappedBytesMax", counters.maxMapped(mapped));
            json.writeNumberField("messagesSent", counters.dmaMessagesSent());
            json.writeEndObject();
            json.writeEndObject();
        }
        return text.append('\n').toString();
    }

    private void writeTotals(JsonGenerator json) throws IOException {
        ClientTotals totals = new ClientTotals();
        listeners.forEach(listener -> listener.clients().addTo(totals));
        json.writeObjectFieldStart("totals");
        json.writeNumberField("clients", totals.clients());
        json.writeNumberField("errors", totals.errors());
        json.writeNumberField("requests", totals.requests());
        json.writeNumberField("bytesRead", totals.bytesRead());
        json.writeNumberField("bytesWritten", totals.bytesWritten());
        json.writeNumberField("notifications", totals.notifications());
        json.writeNumberField("kicks", totals.kicks());
        json.writeNumberField("dmaFaults", totals.dmaFaults());
        json.writeEndObject();
    }

    private void writeDevice(JsonGenerator json, Export export, ClientTable.Entry entry) throws IOException {
        json.writeStartObject();
        json.writeNumberField("client", entry.session().id());
        json.writeStringField("type", export.type());
        json.writeStringField("source", export.description());
        json.writeNumberField("status", entry.function().deviceStatus());
        json.writeStringField(
                "features", "0x" + Long.toHexString(entry.function().negotiatedFeatures()));
        json.writeNumberField("errors", entry.client().errors());
        for (Map.Entry<String, Long> counter : entry.client().counters().entrySet()) {
            json.writeNumberField(counter.getKey(), counter.getValue());
        }
        json.writeArrayFieldStart("queues");
        for (QueueStatistics queue : entry.function().statistics()) {
            writeQueue(json, queue);
        }
        json.writeEndArray();
        json.writeObjectFieldStart("dma");
        json.writeNumberField("guestRamMappedBytes", entry.dmaMap().mappedBytes());
        json.writeNumberField("messagesSent", entry.session().dmaMessagesSent());
        json.writeNumberField("faults", entry.function().dmaFaults());
        json.writeEndObject();
        BarMemory region = entry.region();
        json.writeObjectFieldStart("region");
        json.writeNumberField("sizeBytes", region == null ? 0 : region.size());
        json.writeNumberField("highWaterBytes", region == null ? 0 : region.highWaterBytes());
        json.writeEndObject();
        json.writeEndObject();
    }

    private static void writeQueue(JsonGenerator json, QueueStatistics queue) throws IOException {
        json.writeStartObject();
        json.writeNumberField("requests", queue.requests());
        json.writeNumberField("bytesRead", queue.bytesRead());
        json.writeNumberField("bytesWritten", queue.bytesWritten());
        json.writeNumberField("notifications", queue.notifications());
        json.writeNumberField("kicks", queue.kicks());
        json.writeEndObject();
    }
}
