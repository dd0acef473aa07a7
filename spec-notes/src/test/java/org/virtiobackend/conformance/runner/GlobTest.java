package org.virtiobackend.conformance.runner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class GlobTest {
    @ParameterizedTest
    @CsvSource({
        "ring.*, ring.traffic, true",
        "ring.*, broken.order, false",
        "ring, ring.traffic, false",
        "ring.traffic, ring.traffic, true",
        "*.traffic, ring.traffic, true",
        "NET-RX-DEV-0?, NET-RX-DEV-07, true",
        "NET-RX-DEV-0?, NET-RX-DEV-17, false",
        "NET-RX-DEV-[12]*, NET-RX-DEV-17, true",
        "net-rx-*, NET-RX-DEV-17, false",
        "*, fs.plug, true"
    })
    void matchesWholeIds(String pattern, String id, boolean expected) {
        assertEquals(expected, Glob.of(pattern).matches(id));
    }

    @Test
    void refusesWhatIsNoPattern() {
        assertThrows(IllegalArgumentException.class, () -> Glob.of("ring.[a"));
    }
}
