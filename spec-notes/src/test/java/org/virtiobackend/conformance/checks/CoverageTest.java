package org.virtiobackend.conformance.checks;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.virtiobackend.conformance.clause.Clause;
import org.virtiobackend.conformance.clause.ClauseCatalogue;
import org.virtiobackend.conformance.clause.Side;
import org.virtiobackend.conformance.clause.Status;
import org.virtiobackend.conformance.report.CoverageTable;
import org.virtiobackend.conformance.runner.CheckMethod;

/** The catalogue and the checks say the same about each other, and nothing is left out in silence. */
class CoverageTest {
    private static final Path FILE = Path.of("coverage.md");

    private final ClauseCatalogue catalogue = ClauseCatalogue.load();
    private final List<CheckMethod> checks = Checks.all();

    @Test
    void checksNameObservableClausesOfDevices() {
        for (CheckMethod check : checks) {
            assertTrue(!check.clauses().isEmpty(), check.id());
            for (String id : check.clauses()) {
                Clause clause = catalogue.get(id);
                assertNotNull(clause, check.id() + " names " + id);
                assertEquals(Side.DEVICE, clause.side(), id);
                assertEquals(Status.CHECK, clause.status(), id);
            }
        }
    }

    @Test
    void checkIdsAreUnique() {
        Set<String> ids = new HashSet<>();
        checks.forEach(check -> assertTrue(ids.add(check.id()), check.id()));
        assertTrue(ids.size() > 40, () -> "only " + ids);
    }

    @Test
    void catalogueNamesTheChecksOfEachClause() {
        Map<String, Set<String>> expected = new TreeMap<>();
        for (CheckMethod check : checks) {
            check.clauses()
                    .forEach(id ->
                            expected.computeIfAbsent(id, key -> new TreeSet<>()).add(check.id()));
        }
        for (Clause clause : catalogue.clauses()) {
            String names = String.join(" ", expected.getOrDefault(clause.id(), Set.of()));
            assertEquals(names, clause.check(), "field check of " + clause.id());
        }
    }

    @Test
    void everyObservableClauseOfADeviceHasACheckOrAReason() {
        List<String> open = new ArrayList<>();
        Set<String> used = new HashSet<>();
        Map<String, String> unchecked = ClauseCatalogue.unchecked();
        for (Clause clause : catalogue.clauses()) {
            if (clause.side() == Side.DEVICE
                    && clause.status() == Status.CHECK
                    && clause.check().isEmpty()) {
                String prefix = unchecked.keySet().stream()
                        .filter(clause.id()::startsWith)
                        .findFirst()
                        .orElse(null);
                if (prefix == null) {
                    open.add(clause.id());
                } else {
                    used.add(prefix);
                }
            }
        }
        assertEquals(List.of(), open);
        assertEquals(unchecked.keySet(), used, "a reason that is not needed any more");
    }

    @Test
    void coverageFileIsUpToDate() throws IOException {
        String generated = CoverageTable.markdown(catalogue);
        if (Boolean.getBoolean("coverage.write")) {
            Files.writeString(FILE, generated);
        }
        assertEquals(generated, Files.readString(FILE), "spec-notes/coverage.md is old; it says how to write it again");
    }
}
