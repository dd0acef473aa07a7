package org.virtiobackend.conformance.clause;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** The data files of the catalogue, packed beside the classes. */
final class Resources {
    private static final String DIRECTORY = "/org/virtiobackend/conformance/clauses/";

    private Resources() {}

    /** The content of a file; a missing one is a fault of the build. */
    static String text(String name) {
        try (InputStream in = Resources.class.getResourceAsStream(DIRECTORY + name)) {
            if (in == null) {
                throw new IllegalStateException("not in the program: " + DIRECTORY + name);
            }
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The lines of a file without comments. */
    static List<String> lines(String name) {
        return text(name).lines().filter(line -> !line.startsWith("#")).toList();
    }
}
