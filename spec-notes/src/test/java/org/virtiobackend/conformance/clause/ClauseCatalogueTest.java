package org.virtiobackend.conformance.clause;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ClauseCatalogueTest {
    private static final SpecificationSections SECTIONS = SpecificationSections.load();

    private static final String GOOD = """
            {"title": "test", "sections": [
              {"section": "2.1.2", "side": "device", "label": "devicenormative:Status", "clauses": [
                {"id": "STATUS-DEV-01", "keyword": "MUST NOT", "summary": "Waits for DRIVER_OK",
                 "status": "check", "check": ""},
                {"id": "STATUS-DEV-03", "keyword": "MAY", "covers": 2, "summary": "May rest", "when": "msix",
                 "status": "not-observable", "why": "permission"}
              ]}
            ]}
            """;

    private static ClauseCatalogue read(String json) {
        return ClauseCatalogue.of(SECTIONS, Map.of("test.json", json));
    }

    /** Every keyword of the normative sections is answered by a clause, or its section has an excuse. */
    @Test
    void everyKeywordIsAccountedFor() {
        Map<String, Integer> covered = new HashMap<>();
        for (Clause clause : ClauseCatalogue.load().clauses()) {
            covered.merge(clause.section(), clause.covers(), Integer::sum);
        }
        Map<String, String> skipped = ClauseCatalogue.skippedSections();
        List<String> wrong = new ArrayList<>();
        int catalogued = 0;
        for (SpecificationSections.Section section : SECTIONS.all()) {
            int count = covered.getOrDefault(section.number(), 0);
            int expected = skipped.containsKey(section.number()) ? 0 : section.keywords();
            if (section.isCatalogued()) {
                catalogued++;
                if (count != expected) {
                    wrong.add(section.number() + ": " + count + " of " + expected);
                }
            }
        }
        assertTrue(catalogued > 100, () -> "list of sections is too short");
        assertEquals(List.of(), wrong);
    }

    @Test
    void skippedSectionsAreCataloguedOnesWithAReason() {
        ClauseCatalogue.skippedSections().forEach((number, reason) -> {
            assertNotNull(SECTIONS.get(number), number);
            assertTrue(SECTIONS.get(number).isCatalogued(), number);
            assertFalse(reason.isBlank(), number);
        });
    }

    @Test
    void findsClausesById() {
        ClauseCatalogue catalogue = ClauseCatalogue.load();
        for (Clause clause : catalogue.clauses()) {
            assertSame(clause, catalogue.get(clause.id()));
        }
        assertNull(catalogue.get("STATUS-DEV-00"));
    }

    @Test
    void readsAllFields() {
        List<Clause> clauses = read(GOOD).clauses();
        assertEquals(
                new Clause(
                        "STATUS-DEV-01",
                        "test",
                        "2.1.2",
                        "devicenormative:Status",
                        Side.DEVICE,
                        Keyword.MUST_NOT,
                        1,
                        "Waits for DRIVER_OK",
                        clauses.get(0).when(),
                        Status.CHECK,
                        "",
                        ""),
                clauses.get(0));
        assertEquals("", clauses.get(0).when().toString());
        assertEquals("msix", clauses.get(1).when().toString());
        assertEquals(2, clauses.get(1).covers());
        assertEquals("permission", clauses.get(1).why());
        assertEquals(2, clauses.size());
    }

    /** Replaces a piece of sound data and expects the complaint. */
    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "STATUS-DEV-03;            STATUS-DEV-01;      STATUS-DEV-01: twice",
                "STATUS-DEV-01;            STATUS-DEV-04;      STATUS-DEV-03: out of order",
                "STATUS-DEV-03;            OTHER-DEV-03;       does not go with the section's other ids",
                "STATUS-DEV-03;            STATUS-DRV-03;      bad id: STATUS-DRV-03",
                "STATUS-DEV-03;            status-dev-3;       bad id: status-dev-3",
                "2.1.2;                    2.1.99;             2.1.99: no such section",
                "2.1.2;                    2.1;                2.1: not a normative section",
                "2.1.2;                    4.2.2.1;            4.2.2.1: not a normative section",
                "2.1.2;                    2.1.1;              2.1.1: is not about the device",
                "2.1.2;                    SWIOTLB;            label of a proposal",
                "'\"device\"';             '\"driver\"';       2.1.2: is not about the driver",
                "'\"device\"';             '\"host\"';         no such side: host",
                "devicenormative;          drivernormative;    label of another kind",
                "MUST NOT;                 SHALL;              no such keyword: SHALL",
                "'\"covers\": 2';          '\"covers\": -1';   covers -1",
                "May rest;                 '';                 summary is not one short line",
                "May rest;                 'May\\trest';       summary is not one short line",
                "'\"not-observable\"';     '\"unknown\"';      no such status: unknown",
                "'\"not-observable\"';     '\"check\"';        STATUS-DEV-03: no field for the check",
                "'\"check\", \"check\"';   '\"not-applicable\", \"why\"';  STATUS-DEV-01: no reason",
                "'\"check\": \"\"';        '\"check\": \"\", \"why\": \"x\"';  STATUS-DEV-01: a reason, yet observable",
                "'\"why\"';                '\"check\": \"X\", \"why\"';  STATUS-DEV-03: a check, yet not observable",
                "msix;                     msiy;               no condition: 'msiy'",
                "'\"title\": \"test\"';    '\"title\": \" \"'; no title or no sections",
                "'\"when\"';               '\"whem\"';         whem"
            })
    void namesTheFault(String piece, String replacement, String complaint) {
        String bad = GOOD.replace(piece, replacement);
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> read(bad));
        assertTrue(e.getMessage().contains(complaint), e::getMessage);
    }

    @Test
    void oneIdSeriesBelongsToOneSection() {
        String again =
                GOOD.replace("2.1.2", "2.2.2").replace("DEV-01", "DEV-05").replace("DEV-03", "DEV-06");
        Map<String, String> files = Map.of("a.json", GOOD, "b.json", again);
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> ClauseCatalogue.of(SECTIONS, files));
        assertTrue(e.getMessage().contains("these ids belong to another section"), e::getMessage);
    }

    @Test
    void reportsAllFaultsAtOnce() {
        String bad = GOOD.replace("MUST NOT", "WILL").replace("May rest", "");
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> read(bad));
        assertTrue(e.getMessage().contains("no such keyword"), e::getMessage);
        assertTrue(e.getMessage().contains("summary is not"), e::getMessage);
    }

    @Test
    void emptyReasonIsNoReason() {
        String bad = GOOD.replace("\"permission\"", "\" \"");
        IllegalStateException e = assertThrows(IllegalStateException.class, () -> read(bad));
        assertTrue(e.getMessage().contains("STATUS-DEV-03: no reason"), e::getMessage);
    }
}
