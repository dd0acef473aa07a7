package org.virtiobackend.conformance.clause;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConditionTest {
    private static final Set<String> OFFERED = Set.of("VIRTIO_F_EVENT_IDX", "VIRTIO_BLK_F_RO", "VIRTIO_NET_F_RSS");
    private static final Set<String> NEGOTIATED = Set.of("VIRTIO_F_EVENT_IDX", "VIRTIO_NET_F_RSS");
    private static final Set<String> GIVEN = Set.of("msix");

    private static boolean holds(String text) {
        return Condition.parse(text).holds(NEGOTIATED::contains, OFFERED::contains, GIVEN::contains);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "'';                                             true",
                "VIRTIO_F_EVENT_IDX;                             true",
                "!VIRTIO_F_EVENT_IDX;                            false",
                "VIRTIO_BLK_F_RO;                                false",
                "!VIRTIO_BLK_F_RO;                               true",
                "offers:VIRTIO_BLK_F_RO;                         true",
                "offers:!VIRTIO_BLK_F_RO;                        false",
                "offers:VIRTIO_F_RING_PACKED;                    false",
                "offers:!VIRTIO_F_RING_PACKED;                   true",
                "VIRTIO_NET_F_HASH_REPORT|VIRTIO_NET_F_RSS;      true",
                "VIRTIO_NET_F_HASH_REPORT|VIRTIO_NET_F_MQ;       false",
                "offers:VIRTIO_NET_F_MQ|VIRTIO_BLK_F_RO;         true",
                "msix;                                           true",
                "intx;                                           false",
                "VIRTIO_F_EVENT_IDX !VIRTIO_F_RING_PACKED msix;  true",
                "VIRTIO_F_EVENT_IDX !VIRTIO_F_RING_PACKED peer;  false"
            })
    void allTermsMustHold(String text, boolean expected) {
        assertEquals(expected, holds(text));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                " ",
                "EVENT_IDX",
                "virtio_f_event_idx",
                "!msix",
                "offers:msix",
                "VIRTIO_F_A  VIRTIO_F_B",
                "VIRTIO_F_A||VIRTIO_F_B",
                "!VIRTIO_F_A|VIRTIO_F_B",
                "!offers:VIRTIO_F_A"
            })
    void refusesWhatIsNoCondition(String text) {
        assertThrows(IllegalArgumentException.class, () -> Condition.parse(text));
    }

    @Test
    void readsBack() {
        assertEquals(
                "offers:!VIRTIO_F_A msix",
                Condition.parse("offers:!VIRTIO_F_A msix").toString());
    }
}
