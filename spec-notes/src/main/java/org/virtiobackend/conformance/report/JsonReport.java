package org.virtiobackend.conformance.report;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.RunResult;
import org.virtiobackend.conformance.runner.Verdict;

/** The result as JSON: one object per clause. */
public final class JsonReport {
    private static final ObjectMapper MAPPER = new ObjectMapper();

    private JsonReport() {}

    public static void write(RunResult result, Path file) throws IOException {
        MAPPER.writerWithDefaultPrettyPrinter().writeValue(file.toFile(), tree(result));
    }

    static ObjectNode tree(RunResult result) {
        ObjectNode root = MAPPER.createObjectNode();
        root.put("specification", "virtio 1.4");
        root.put("socketPath", result.socketPath());
        root.put("device", result.device());
        root.put("offered", result.offered());
        ArrayNode memory = root.putArray("memory");
        result.memory().forEach(kind -> memory.add(kind.text()));
        ArrayNode rings = root.putArray("rings");
        result.rings().forEach(rings::add);
        ArrayNode remarks = root.putArray("remarks");
        result.remarks().forEach(remarks::add);
        root.put("featureSets", result.featureSets());
        root.put("seed", result.seed());
        root.put("millis", result.millis());
        root.put("checkRuns", result.checkRuns());
        ObjectNode counts = root.putObject("counts");
        for (Verdict verdict : Verdict.values()) {
            counts.put(verdict.text(), result.count(verdict));
        }
        counts.put("faults", result.faults().size());
        counts.put("weaknesses", result.weaknesses().size());
        ArrayNode clauses = root.putArray("clauses");
        result.clauses().forEach(clause -> add(clauses.addObject(), clause));
        return root;
    }

    private static void add(ObjectNode node, ClauseResult result) {
        node.put("id", result.clause().id());
        node.put("chapter", result.clause().chapter());
        node.put("section", result.clause().section());
        node.put("keyword", result.clause().keyword().text());
        node.put("summary", result.clause().summary());
        node.put("verdict", result.verdict().text());
        node.put("check", result.check());
        node.put("runs", result.runs());
        if (!result.detail().isEmpty()) {
            node.put("detail", result.detail());
        }
        if (!result.where().isEmpty()) {
            node.put("configuration", result.where());
        }
        if (!result.trace().isEmpty()) {
            ArrayNode trace = node.putArray("trace");
            result.trace().forEach(trace::add);
        }
    }
}
