package org.virtiobackend.conformance.runner;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.devices.net.VirtioNet.*;
import static org.virtiobackend.virtio.VirtioFeature.*;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.virtiobackend.conformance.clause.Condition;
import org.virtiobackend.virtio.VirtioDeviceId;

class FittingSetsTest {
    private static final long OFFERED = VIRTIO_F_VERSION_1
            | VIRTIO_F_EVENT_IDX
            | VIRTIO_NET_F_CSUM
            | VIRTIO_NET_F_GUEST_CSUM
            | VIRTIO_NET_F_GUEST_TSO4
            | VIRTIO_NET_F_GUEST_TSO6
            | VIRTIO_NET_F_MAC;

    private static List<Long> sets(String condition) {
        return FittingSets.of(
                List.of(Condition.parse(condition)),
                VIRTIO_F_VERSION_1,
                VIRTIO_F_EVENT_IDX,
                OFFERED,
                VirtioDeviceId.NET);
    }

    @Test
    void smallestSetHasWhatTheFeatureNeedsAndTheLargestEverything() {
        assertEquals(
                List.of(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_CSUM, OFFERED),
                sets("VIRTIO_NET_F_GUEST_TSO4"));
    }

    @Test
    void largestSetRefrainsFromWhatTheConditionForbidsAndFromWhatNeedsIt() {
        long guest = VIRTIO_NET_F_GUEST_CSUM | VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_TSO6;
        assertEquals(List.of(VIRTIO_F_VERSION_1, OFFERED & ~guest), sets("!VIRTIO_NET_F_GUEST_CSUM"));
    }

    @Test
    void everyAlternativeHasItsSet() {
        long plain = VIRTIO_F_VERSION_1 | VIRTIO_NET_F_GUEST_CSUM;
        assertEquals(
                List.of(plain | VIRTIO_NET_F_GUEST_TSO4, OFFERED, plain | VIRTIO_NET_F_GUEST_TSO6),
                sets("VIRTIO_NET_F_GUEST_TSO4|VIRTIO_NET_F_GUEST_TSO6"));
    }

    @Test
    void whatIsNotOfferedFitsNowhere() {
        assertEquals(List.of(), sets("VIRTIO_NET_F_MQ"));
        assertEquals(List.of(), sets("VIRTIO_NET_F_GUEST_TSO4 !VIRTIO_NET_F_GUEST_CSUM"));
    }
}
