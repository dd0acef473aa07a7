package org.virtiobackend.conformance.clause;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Every normative statement of the catalogued chapters of virtio 1.4 and of the proposals SWIOTLB and DMB, and what
 * drivers rely on in its descriptive text, in the order of the files. Immutable; what {@code clauses.md} says about the data holds for every instance.
 */
public final class ClauseCatalogue {
    /** The data files in the order of reports. */
    static final List<String> FILES = List.of(
            "basic.json",
            "split-ring.json",
            "packed-ring.json",
            "admin.json",
            "pci.json",
            "net.json",
            "blk.json",
            "fs.json",
            "swiotlb.json",
            "dmb.json",
            "text.json");

    private static final String SKIPPED = "skipped.tsv";
    private static final String UNCHECKED = "unchecked.tsv";
    private static final Set<String> PROPOSALS = Set.of("SWIOTLB", "DMB", ClauseChecker.TEXT);

    private final Map<String, Clause> byId = new LinkedHashMap<>();
    private final List<Clause> clauses;

    private ClauseCatalogue(List<Clause> clauses) {
        this.clauses = clauses;
        for (Clause clause : clauses) {
            byId.put(clause.id(), clause);
        }
    }

    /** Reads the program's own catalogue; an {@link IllegalStateException} lists all faults of the data. */
    public static ClauseCatalogue load() {
        Map<String, String> files = new LinkedHashMap<>();
        for (String name : FILES) {
            files.put(name, Resources.text(name));
        }
        return of(SpecificationSections.load(), files);
    }

    /** Reads a catalogue from JSON texts by file name. */
    static ClauseCatalogue of(SpecificationSections sections, Map<String, String> files) {
        ClauseChecker checker = new ClauseChecker(sections, PROPOSALS);
        files.forEach((name, json) -> checker.add(name, ClauseFile.parse(name, json)));
        return new ClauseCatalogue(checker.result());
    }

    /** All clauses. */
    public List<Clause> clauses() {
        return clauses;
    }

    /** The clause of this id, or null. */
    public Clause get(String id) {
        return byId.get(id);
    }

    /** Normative sections without clauses, each with the reason. */
    public static Map<String, String> skippedSections() {
        return reasons(SKIPPED);
    }

    /** How the ids of observable clauses begin that have no check yet, each with the reason. */
    public static Map<String, String> unchecked() {
        return reasons(UNCHECKED);
    }

    private static Map<String, String> reasons(String file) {
        Map<String, String> reasons = new LinkedHashMap<>();
        for (String line : Resources.lines(file)) {
            int tab = line.indexOf('\t');
            if (tab < 0 || reasons.put(line.substring(0, tab), line.substring(tab + 1)) != null) {
                throw new IllegalStateException(file + ": " + line);
            }
        }
        return reasons;
    }
}
