package org.virtiobackend.conformance.clause;

import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/** Numbers and titles of the sections of virtio 1.4, chapters 1 to 7. Immutable. */
public final class SpecificationSections {
    private static final String RESOURCE = "sections.tsv";

    private final Map<String, Section> sections = new LinkedHashMap<>();

    private SpecificationSections() {}

    /**
     * A section.
     *
     * @param keywords number of normative keywords; -1 for a section that is not normative or not catalogued
     */
    public record Section(String number, String title, int keywords) {
        /** Whether the catalogue has to answer for the section. */
        public boolean isCatalogued() {
            return keywords >= 0;
        }
    }

    /** Reads the list that comes with the program. */
    public static SpecificationSections load() {
        SpecificationSections list = new SpecificationSections();
        Resources.lines(RESOURCE).forEach(list::add);
        return list;
    }

    private void add(String line) {
        String[] fields = line.split("\t", -1);
        if (fields.length < 2 || fields.length > 3) {
            throw new IllegalStateException(RESOURCE + ": " + line);
        }
        int keywords = fields.length == 3 ? Integer.parseInt(fields[2]) : -1;
        if (sections.put(fields[0], new Section(fields[0], fields[1], keywords)) != null) {
            throw new IllegalStateException(RESOURCE + ": twice " + fields[0]);
        }
    }

    /** Whether there is a section of this number, such as 2.7.5.3.1. */
    public boolean contains(String number) {
        return sections.containsKey(number);
    }

    /** The section of this number, or null. */
    public Section get(String number) {
        return sections.get(number);
    }

    /** All sections in the order of the specification. */
    public Collection<Section> all() {
        return Collections.unmodifiableCollection(sections.values());
    }
}
