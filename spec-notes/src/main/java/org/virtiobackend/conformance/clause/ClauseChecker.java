package org.virtiobackend.conformance.clause;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Turns data into clauses and collects everything that is wrong with it. Used once per catalogue. */
final class ClauseChecker {
    /** Longest summary: one line of a terminal table. */
    private static final int SUMMARY_LIMIT = 110;

    /** Section of statements that the specification makes without a keyword. */
    static final String TEXT = "TEXT";

    private static final Pattern ID = Pattern.compile("([A-Z0-9]+(?:-[A-Z0-9]+)*)-(DEV|DRV)-(\\d{2})");

    private final SpecificationSections sections;
    private final Set<String> proposals;
    private final Set<String> ids = new HashSet<>();
    private final Set<String> prefixes = new HashSet<>();
    private final List<Clause> clauses = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();

    ClauseChecker(SpecificationSections sections, Set<String> proposals) {
        this.sections = sections;
        this.proposals = proposals;
    }

    void add(String fileName, ClauseFile file) {
        if (isBlank(file.title()) || file.sections() == null) {
            problems.add(fileName + ": no title or no sections");
            return;
        }
        for (ClauseFile.Group group : file.sections()) {
            addGroup(fileName, file.title(), group);
        }
    }

    /** The clauses; an {@link IllegalStateException} lists every problem. */
    List<Clause> result() {
        if (!problems.isEmpty()) {
            throw new IllegalStateException("clause catalogue:\n" + String.join("\n", problems));
        }
        return List.copyOf(clauses);
    }

    private void addGroup(String fileName, String chapter, ClauseFile.Group group) {
        String where = fileName + ": " + group.section();
        Side side = group.side() == null ? null : Side.of(group.side());
        if (side == null) {
            problems.add(where + ": no such side: " + group.side());
            return;
        }
        if (group.clauses() == null || group.clauses().isEmpty()) {
            problems.add(where + ": no clauses");
            return;
        }
        checkSection(where, group, side);
        String prefix = null;
        int last = 0;
        for (ClauseFile.Entry entry : group.clauses()) {
            Matcher id = ID.matcher(entry.id() == null ? "" : entry.id());
            if (!id.matches() || !id.group(2).equals(side.idPart())) {
                problems.add(where + ": bad id: " + entry.id());
                continue;
            }
            if (prefix == null) {
                prefix = id.group(1) + id.group(2);
                expect(prefixes.add(prefix), entry.id(), "these ids belong to another section");
            }
            int number = Integer.parseInt(id.group(3));
            expect(prefix.equals(id.group(1) + id.group(2)), entry.id(), "does not go with the section's other ids");
            expect(number > last, entry.id(), "out of order");
            last = number;
            addEntry(chapter, group, side, entry);
        }
    }

    private void checkSection(String where, ClauseFile.Group group, Side side) {
        String label = group.label() == null ? "" : group.label();
        if (proposals.contains(group.section())) {
            String kind = group.section().equals(TEXT) ? "text:" : "proposal:";
            expect(label.startsWith(kind), where, "label of a proposal");
            return;
        }
        SpecificationSections.Section section = sections.get(group.section());
        if (section == null) {
            problems.add(where + ": no such section");
            return;
        }
        expect(section.isCatalogued(), where, "not a normative section of the catalogued chapters");
        expect(section.title().startsWith(side.titleStart()), where, "is not about the " + side.text());
        expect(label.startsWith(side.text() + "normative:"), where, "label of another kind of section");
    }

    private void addEntry(String chapter, ClauseFile.Group group, Side side, ClauseFile.Entry entry) {
        String id = entry.id();
        expect(ids.add(id), id, "twice");
        Keyword keyword = entry.keyword() == null ? null : Keyword.of(entry.keyword());
        expect(keyword != null, id, "no such keyword: " + entry.keyword());
        int covers = entry.covers() == null ? 1 : entry.covers();
        expect(covers >= 0, id, "covers " + covers);
        String summary = entry.summary() == null ? "" : entry.summary();
        expect(isLine(summary) && summary.length() <= SUMMARY_LIMIT, id, "summary is not one short line");
        Status status = entry.status() == null ? null : Status.of(entry.status());
        expect(status != null, id, "no such status: " + entry.status());
        if (status == Status.CHECK) {
            expect(entry.check() != null, id, "no field for the check");
            expect(entry.why() == null, id, "a reason, yet observable");
        } else {
            expect(entry.why() != null && isLine(entry.why()), id, "no reason");
            expect(entry.check() == null, id, "a check, yet not observable");
        }
        Condition when = condition(id, entry.when());
        clauses.add(new Clause(
                id,
                chapter,
                group.section(),
                group.label(),
                side,
                keyword,
                covers,
                summary,
                when,
                status,
                entry.check() == null ? "" : entry.check(),
                entry.why() == null ? "" : entry.why()));
    }

    private Condition condition(String id, String when) {
        try {
            return Condition.parse(when == null ? "" : when);
        } catch (IllegalArgumentException e) {
            problems.add(id + ": " + e.getMessage());
            return Condition.parse("");
        }
    }

    private void expect(boolean good, String where, String problem) {
        if (!good) {
            problems.add(where + ": " + problem);
        }
    }

    private static boolean isBlank(String text) {
        return text == null || text.isBlank();
    }

    private static boolean isLine(String text) {
        return !text.isBlank() && text.equals(text.strip()) && text.chars().noneMatch(c -> c < ' ' || c > '~');
    }
}
