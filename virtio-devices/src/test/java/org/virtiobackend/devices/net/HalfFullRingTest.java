package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.net.NetFixture.Received;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.virtio.VirtioFeature;

/**
 * A driver that adds no buffers while more than half of the ring is there, as Linux with 64 entries, and a frame that needs more than
 * it has: each would wait for the other.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class HalfFullRingTest {
    private static final int ENTRIES = 64;
    private static final int BUFFERS = 40;
    private static final int BUFFER_BYTES = 1536;
    private static final int PAYLOAD = 64_000;
    private static final int PIECE = 1000;

    private static final NetSettings SETTINGS = new NetSettings(MAC, 0, 1, ENTRIES);

    @TempDir
    private Path directory;

    private NetFixture net;

    @AfterEach
    void tearDown() {
        net.close();
    }

    /** The driver adds a buffer for each that it gets back. */
    private void expectAllPieces(int cut) throws Exception {
        for (int piece = 0; piece < PAYLOAD / PIECE; piece++) {
            Received received = net.receive(0);
            assertEquals(0, received.gsoType());
            assertEquals(1, received.buffers());
            assertTrue(Packets.ipv4ChecksumsAreRight(received.frame()));
            assertEquals(PIECE * piece, Packets.u16(received.frame(), 40), "sequence number");
            addBuffers(1, cut);
        }
        assertEquals(0, net.device.counters().receiveDropped());
    }

    /** @param cut length of each buffer's first descriptor, or 0 for one descriptor */
    private void addBuffers(int count, int cut) {
        net.addBuffers(0, count, BUFFER_BYTES, cut == 0 ? new int[0] : new int[] {cut});
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VirtioFeature.VIRTIO_F_RING_PACKED, VirtioFeature.VIRTIO_F_IN_ORDER})
    void segmentedFrameIsCut(long ringFeatures) throws Exception {
        net = new NetFixture(new LoopbackBackend(1), SETTINGS, PLAIN, ringFeatures);
        addBuffers(BUFFERS, 0);
        net.send(1, Packets.tcpToCut(0, 1111, PAYLOAD));
        net.awaitSent(1);
        net.sendPlain(1, frame(99));
        expectAllPieces(0);
        assertArrayEquals(frame(99), net.receive(0).frame());
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VirtioFeature.VIRTIO_F_RING_PACKED})
    void descriptorsCountNotBuffers(long layout) throws Exception {
        net = new NetFixture(new LoopbackBackend(1), SETTINGS, PLAIN, 0);
        long features = net.features & ~VirtioFeature.COMMON_MASK;
        net.reset();
        net.withoutRingFeatures = VirtioFeature.VIRTIO_F_INDIRECT_DESC;
        net.start(features, layout);
        addBuffers(16, 700); // 32 of 64 descriptors
        net.send(1, Packets.tcpToCut(0, 1111, PAYLOAD));
        net.awaitSent(1);
        expectAllPieces(700);
    }

    @ParameterizedTest
    @ValueSource(longs = {0, VirtioFeature.VIRTIO_F_RING_PACKED})
    void segmentedFrameOfWhichTheHeadIsInTheBuffersIsCut(long ringFeatures) throws Exception {
        ScatteringBackend backend = new ScatteringBackend(directory, Offload.CSUM | Offload.TSO4);
        net = new NetFixture(backend, SETTINGS, PLAIN, ringFeatures);
        addBuffers(BUFFERS, 0);
        backend.arrive(Packets.tcpToCut(0, 1111, PAYLOAD), concat(new byte[HEADER], frame(99)));
        expectAllPieces(0);
        assertArrayEquals(frame(99), net.receive(0).frame());
    }

    /** The driver may be about to add the others. */
    @Test
    void segmentedFrameWaitsWhileLessThanHalfIsThere() throws Exception {
        net = new NetFixture(new LoopbackBackend(1), SETTINGS, PLAIN, 0);
        addBuffers(ENTRIES / 2 - 1, 0);
        net.send(1, Packets.tcpToCut(0, 1111, PAYLOAD));
        net.awaitSent(1);
        net.awaitAsleep();
        assertFalse(net.poll(0));
        addBuffers(ENTRIES / 2 + 1, 0);
        Received received = net.receive(0);
        assertEquals(1, received.gsoType());
        assertEquals(54 + PAYLOAD, received.frame().length);
    }

    /** Those behind it would wait for ever. */
    @ParameterizedTest
    @CsvSource({"0, 0, 0, 0", "1, 3, 1000, 6"})
    void frameThatCannotBeCutIsDropped(int flags, int gsoType, int gsoSize, int csumOffset) throws Exception {
        int offloads = Segmenter.OFFLOADS | Offload.UFO;
        net = new NetFixture(new LoopbackBackend(1, offloads, offloads), SETTINGS, PLAIN, 0);
        addBuffers(BUFFERS, 0);
        int start = gsoType == 0 ? 0 : 34;
        net.send(1, concat(header(flags, gsoType, 0, gsoSize, start, csumOffset), frame(PAYLOAD)));
        net.awaitSent(1);
        net.sendPlain(1, frame(99));
        assertArrayEquals(frame(99), net.receive(0).frame());
        assertEquals(1, net.device.counters().receiveDropped());
    }
}
