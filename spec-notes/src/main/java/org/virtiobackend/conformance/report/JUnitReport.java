package org.virtiobackend.conformance.report;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import javax.xml.stream.XMLOutputFactory;
import javax.xml.stream.XMLStreamException;
import javax.xml.stream.XMLStreamWriter;
import org.virtiobackend.conformance.runner.ClauseResult;
import org.virtiobackend.conformance.runner.RunResult;

/** The result as JUnit XML: a test case per clause, a suite per chapter. A SHOULD that is not met counts as skipped. */
public final class JUnitReport {
    private JUnitReport() {}

    public static void write(RunResult result, Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            XMLStreamWriter xml = XMLOutputFactory.newInstance().createXMLStreamWriter(out, "UTF-8");
            write(result, xml);
            xml.close();
        } catch (XMLStreamException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    private static void write(RunResult result, XMLStreamWriter xml) throws XMLStreamException {
        xml.writeStartDocument("UTF-8", "1.0");
        xml.writeStartElement("testsuites");
        xml.writeAttribute("name", "virtio conformance: " + result.device());
        xml.writeAttribute("time", Double.toString(result.millis() / 1000.0));
        Map<String, List<ClauseResult>> chapters = new LinkedHashMap<>();
        for (ClauseResult clause : result.clauses()) {
            chapters.computeIfAbsent(clause.clause().chapter(), key -> new ArrayList<>())
                    .add(clause);
        }
        for (Map.Entry<String, List<ClauseResult>> chapter : chapters.entrySet()) {
            suite(chapter.getKey(), chapter.getValue(), xml);
        }
        xml.writeEndElement();
        xml.writeEndDocument();
    }

    private static void suite(String name, List<ClauseResult> clauses, XMLStreamWriter xml) throws XMLStreamException {
        long failures = clauses.stream().filter(ClauseResult::isFault).count();
        long errors = clauses.stream().filter(c -> outcome(c).equals("error")).count();
        long skipped =
                clauses.stream().filter(c -> outcome(c).equals("skipped")).count();
        xml.writeStartElement("testsuite");
        xml.writeAttribute("name", name);
        xml.writeAttribute("tests", Integer.toString(clauses.size()));
        xml.writeAttribute("failures", Long.toString(failures));
        xml.writeAttribute("errors", Long.toString(errors));
        xml.writeAttribute("skipped", Long.toString(skipped));
        for (ClauseResult clause : clauses) {
            testCase(clause, xml);
        }
        xml.writeEndElement();
    }

    private static String outcome(ClauseResult result) {
        return switch (result.verdict()) {
            case PASS -> "";
            case FAIL -> result.isFault() ? "failure" : "skipped";
            case NOT_RUN -> "error";
            case NOT_APPLICABLE, NOT_OBSERVABLE -> "skipped";
        };
    }

    private static void testCase(ClauseResult result, XMLStreamWriter xml) throws XMLStreamException {
        xml.writeStartElement("testcase");
        xml.writeAttribute("classname", "virtio." + result.clause().section());
        xml.writeAttribute(
                "name", result.clause().id() + " " + clean(result.clause().summary()));
        String outcome = outcome(result);
        if (!outcome.isEmpty()) {
            xml.writeStartElement(outcome);
            String verdict = result.isWeakness() ? "not met" : result.verdict().text();
            xml.writeAttribute("message", clean(verdict + ": " + result.detail()));
            if (!result.trace().isEmpty()) {
                xml.writeCharacters(clean(
                        "check " + result.check() + " (" + result.where() + ")\n" + String.join("\n", result.trace())));
            }
            xml.writeEndElement();
        }
        xml.writeEndElement();
    }

    /** Without characters that XML does not know; a server can make us quote any. */
    static String clean(String text) {
        return text.replaceAll("[^\\t\\n\\x20-\\uD7FF\\uE000-\\uFFFD]", "?");
    }
}
