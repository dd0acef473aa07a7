package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.devices.net.NetFixture.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a tap's kernel does at its worst: frames that cannot be read, flags that nobody asked for, a link that changes twice. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ScatteringTest {
    private static final NetSettings SETTINGS = new NetSettings(MAC, 0, 1, QUEUE_SIZE);

    @TempDir
    private Path directory;

    private ScatteringBackend backend;

    @BeforeEach
    void setUp() {
        backend = new ScatteringBackend(directory);
    }

    @Test
    void frameThatCannotBeReadIsLostAndTheNextOneArrives() throws Exception {
        try (NetFixture net = new NetFixture(backend)) {
            net.addBuffers(0, 8, 1526);
            backend.arrive(ScatteringBackend.LOST, concat(new byte[HEADER], frame(100)));
            assertArrayEquals(frame(100), net.receive(0).frame());
            assertEquals(1, net.device.counters().receiveDropped());
        }
    }

    /** 5.1.9.4.1: flags are 0 for a driver that knows nothing of checksums; the kernel says DATA_VALID to everybody. */
    @ParameterizedTest
    @ValueSource(longs = {0, VIRTIO_NET_F_GUEST_CSUM})
    void headerHasFlagsOnlyForADriverThatKnowsThem(long csum) throws Exception {
        try (NetFixture net = new NetFixture(backend, SETTINGS, PLAIN & ~VIRTIO_NET_F_GUEST_CSUM | csum, 0)) {
            net.addBuffers(0, 8, 1526);
            backend.arrive(concat(header(2, 0, 0, 0, 0, 0), frame(100)));
            assertEquals(csum == 0 ? 0 : 2, net.receive(0).flags());
            backend.arrive(concat(header(1, 0, 0, 0, 34, 6), frame(100)));
            assertEquals(csum == 0 ? 0 : 1, net.receive(0).flags());
        }
    }

    @Test
    void linkThatChangesWhileItIsLookedAtIsShownAsItIs() throws Exception {
        try (NetFixture net = new NetFixture(backend)) {
            backend.setLinkUp(false);
            backend.afterLook(() -> backend.setLinkUp(false));
            backend.setLinkUp(true);
            assertEquals(0, net.device.config().get(CONFIG_STATUS, 2) & VIRTIO_NET_S_LINK_UP);
            backend.setLinkUp(true);
            assertEquals(VIRTIO_NET_S_LINK_UP, net.device.config().get(CONFIG_STATUS, 2) & VIRTIO_NET_S_LINK_UP);
        }
    }
}
