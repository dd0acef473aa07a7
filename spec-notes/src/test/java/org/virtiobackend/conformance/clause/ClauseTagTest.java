package org.virtiobackend.conformance.clause;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Clause tags in the sources, such as {@code virtio 1.4 2.7.5.3.1}, name sections that exist. */
class ClauseTagTest {
    private static final Pattern TAG = Pattern.compile("\\bvirtio (\\d+\\.\\d+) (?:chapter )?(\\d+(?:\\.\\d+)*)\\b");
    /** Further numbers behind a tag: "2.1.2, 2.2.2 and 3.1.1". */
    private static final Pattern FURTHER = Pattern.compile("\\G,? (?:and |to )?(\\d+(?:\\.\\d+)+)\\b");

    private final SpecificationSections sections = SpecificationSections.load();
    private int tags;

    @Test
    void everyTagNamesASection() throws IOException {
        List<String> wrong = new ArrayList<>();
        Path root = root();
        try (Stream<Path> modules = Files.list(root)) {
            for (Path module : modules.sorted().toList()) {
                Path sources = module.resolve("src/main/java");
                if (Files.isDirectory(sources)) {
                    scanDirectory(root, sources, wrong);
                }
            }
        }
        assertTrue(tags > 50, () -> "only " + tags + " tags found below " + root);
        assertEquals("", String.join("\n", wrong));
    }

    @Test
    void seesWhatIsWrong() {
        assertEquals(List.of(), wrongTags("// virtio 1.4 2.7.5.3.1: not nested (virtio 1.4 6.2)."));
        assertEquals(List.of("2.99"), wrongTags("// virtio 1.4 2.99"));
        assertEquals(List.of("2.7.5.3.9"), wrongTags("// virtio 1.4 2.7.5.3.1, 2.7.5.3.9"));
        assertEquals(List.of("2.99"), wrongTags("/** virtio 1.4 chapter 2.6 and 2.99 */"));
        assertEquals(List.of("8"), wrongTags("// virtio 1.4 chapter 8"));
        assertEquals(List.of("9"), wrongTags("// virtio 1.4 9"));
        assertEquals(List.of("version 1.2"), wrongTags("// virtio 1.2 2.7.5.3.1"));
        assertEquals(List.of(), wrongTags("Sections of virtio 1.4, 16 bytes each; virtio 1.4 2.8, 16 bytes"));
    }

    private void scanDirectory(Path root, Path sources, List<String> wrong) throws IOException {
        try (Stream<Path> files = Files.walk(sources)) {
            for (Path file :
                    files.filter(f -> f.toString().endsWith(".java")).sorted().toList()) {
                int line = 0;
                for (String text : Files.readAllLines(file)) {
                    line++;
                    for (String tag : wrongTags(text)) {
                        wrong.add(root.relativize(file) + ":" + line + ": " + tag);
                    }
                }
            }
        }
    }

    private List<String> wrongTags(String line) {
        List<String> wrong = new ArrayList<>();
        Matcher tag = TAG.matcher(line);
        while (tag.find()) {
            check(tag.group(1), tag.group(2), wrong);
            Matcher further = FURTHER.matcher(line).region(tag.end(), line.length());
            while (further.find()) {
                check(tag.group(1), further.group(1), wrong);
            }
        }
        return wrong;
    }

    private void check(String version, String number, List<String> wrong) {
        tags++;
        if (!version.equals("1.4")) {
            wrong.add("version " + version);
        } else if (!sections.contains(number)) {
            wrong.add(number);
        }
    }

    /** The directory of all modules: this test runs in one of them, or above. */
    private static Path root() {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.isRegularFile(directory.resolve("spec-notes/pom.xml"))) {
            directory = directory.getParent();
        }
        return directory;
    }
}
