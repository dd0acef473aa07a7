package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.net.NetFixture.Received;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.virtio.VirtioFeature;

/** Frames around a loop: what the transmit queue takes arrives in the receive queue. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ReceiveTest {
    private static final NetSettings SETTINGS = new NetSettings(MAC, 0, 1, QUEUE_SIZE);

    @ParameterizedTest
    @ValueSource(longs = {0, VirtioFeature.VIRTIO_F_RING_PACKED, VirtioFeature.VIRTIO_F_IN_ORDER})
    void framesOfEverySizeArriveWholeInMergedBuffers(long ringFeatures) throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1), SETTINGS, PLAIN, ringFeatures)) {
            net.addBuffers(0, 100, 1500);
            for (int size : new int[] {14, 60, 1488, 1489, 2988, 2989, 9014, 1514, 65589, 60}) {
                byte[] frame = frame(size);
                net.sendPlain(1, frame);
                Received received = net.receive(0);
                assertArrayEquals(frame, received.frame(), size + " bytes");
                assertEquals((size + HEADER + 1499) / 1500, received.buffers(), size + " bytes");
                net.addBuffers(0, received.buffers(), 1500);
            }
        }
    }

    @Test
    void bufferCutAnyhowHoldsHeaderAndFrame() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            int[][] cuts = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {12}, {11}, {13}, {5, 10, 20}, {200}};
            for (int[] cut : cuts) {
                net.addBuffers(0, 1, 1526, cut);
                net.sendPlain(1, frame(1514));
                Received received = net.receive(0);
                assertArrayEquals(frame(1514), received.frame());
                assertEquals(1, received.buffers());
            }
        }
    }

    @Test
    void frameTakesOneBufferWithoutMergeableBuffersAndIsDroppedWhenItDoesNotFit() throws Exception {
        try (NetFixture net =
                new NetFixture(new LoopbackBackend(1), SETTINGS, PLAIN & ~VirtioNet.VIRTIO_NET_F_MRG_RXBUF, 0)) {
            net.addBuffers(0, 8, 1526);
            net.sendPlain(1, frame(1515));
            net.sendPlain(1, frame(1514));
            Received received = net.receive(0);
            assertArrayEquals(frame(1514), received.frame());
            assertEquals(1, received.buffers());
            assertEquals(1, received.field(10), "num_buffers");
            assertEquals(1, net.device.counters().receiveDropped());
        }
    }

    /** Row 22: the ring is full, then drains: nothing is lost and nothing stalls. */
    @Test
    void row22FramesWaitWhileTheDriverHasNoBuffers() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            int frames = 200;
            for (int i = 0; i < frames; i++) {
                net.sendPlain(1, frame(100 + i));
            }
            assertFalse(net.poll(0));
            for (int i = 0; i < frames; i++) {
                net.addBuffers(0, 1, 1526);
                assertArrayEquals(frame(100 + i), net.receive(0).frame());
            }
            assertEquals(0, net.device.counters().receiveDropped());
        }
    }

    @Test
    void senderWaitsWhileTheLoopIsFullAndNoFrameIsLost() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            int frames = 40; // of 60 KB: more than the loop holds
            for (int i = 0; i < frames; i++) {
                net.send(1, concat(new byte[HEADER], frame(60_000 + i)));
            }
            for (int i = 0; i < frames; i++) {
                net.addBuffers(0, 1, 65_601);
                assertArrayEquals(frame(60_000 + i), net.receive(0).frame());
                net.awaitSent(1);
            }
            assertEquals(0, net.device.counters().transmitDropped());
        }
    }

    /** A frame that needs more buffers than are there waits for the others; they are used together. Row 40: nobody is busy meanwhile. */
    @ParameterizedTest
    @CsvSource({"0,0", "0,0x20000000", "0x400000000,0", "0x400000000,0x20000000"})
    void frameWaitsUntilThereAreEnoughBuffersForAllOfIt(long layout, long missing) throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            long features = net.features & ~VirtioFeature.COMMON_MASK;
            net.reset();
            net.withoutRingFeatures = missing; // EVENT_IDX or nothing
            net.start(features, layout);
            net.addBuffers(0, 2, 1500);
            net.sendPlain(1, frame(5000));
            net.awaitAsleep();
            net.addBuffers(0, 1, 1500);
            net.awaitAsleep();
            assertFalse(net.poll(0));
            net.addBuffers(0, 1, 1500);
            Received received = net.receive(0);
            assertArrayEquals(frame(5000), received.frame());
            assertEquals(4, received.buffers());
        }
    }

    @Test
    void frameThatTheWholeRingCannotHoldIsDropped() throws Exception {
        NetSettings small = new NetSettings(MAC, 0, 1, 64);
        try (NetFixture net = new NetFixture(new LoopbackBackend(1), small, PLAIN, 0)) {
            net.addBuffers(0, 64, 100);
            net.sendPlain(1, frame(60_000));
            net.sendPlain(1, frame(99));
            assertArrayEquals(frame(99), net.receive(0).frame());
            assertEquals(1, net.device.counters().receiveDropped());
        }
    }

    /** Row 20 and 21: a buffer without room for a header is given back empty, and the next one serves. */
    @Test
    void row20BufferSmallerThanTheHeaderIsReturnedUnused() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 1, 11);
            net.addBuffers(0, 1, 1526);
            net.sendPlain(1, frame(60));
            assertEquals(0, net.receive(0).header().length);
            assertArrayEquals(frame(60), net.receive(0).frame());
            assertEquals(1, net.device.counters().malformed());
        }
    }

    /** virtio 1.4 5.1.4.1: what is longer than the MTU comes in pieces or not at all. */
    @Test
    void frameLongerThanTheNegotiatedMtuIsDropped() throws Exception {
        NetSettings mtu = new NetSettings(MAC, 1500, 1, QUEUE_SIZE);
        try (NetFixture net = new NetFixture(new LoopbackBackend(1), mtu, PLAIN, 0)) {
            net.addBuffers(0, 8, 2048);
            net.sendPlain(1, frame(1515));
            net.sendPlain(1, frame(1514));
            assertArrayEquals(frame(1514), net.receive(0).frame());
            assertEquals(1, net.device.counters().receiveDropped());
        }
    }

    @Test
    void vlanTagsDoNotMakeAFrameTooLong() throws Exception {
        NetSettings mtu = new NetSettings(MAC, 1500, 1, QUEUE_SIZE);
        try (NetFixture net =
                new NetFixture(new LoopbackBackend(1), mtu, PLAIN & ~VirtioNet.VIRTIO_NET_F_CTRL_VLAN, 0)) {
            net.addBuffers(0, 8, 2048);
            int[][] tags = {{0x8100}, {0x88a8}, {0x88a8, 0x8100}, {0x8100, 0x8100}, {0x88a8, 0x8100, 0x8100}};
            for (int[] types : tags) {
                int longest = 1514 + 4 * Math.min(types.length, 2);
                net.sendPlain(1, tagged(longest + 1, types));
                net.sendPlain(1, tagged(longest, types));
                assertArrayEquals(tagged(longest, types), net.receive(0).frame());
            }
            assertEquals(tags.length, net.device.counters().receiveDropped());
        }
    }

    private static byte[] tagged(int bytes, int... types) {
        byte[] frame = frame(bytes);
        for (int i = 0; i < types.length; i++) {
            frame[12 + 4 * i] = (byte) (types[i] >> 8);
            frame[13 + 4 * i] = (byte) types[i];
        }
        frame[12 + 4 * types.length] = (byte) 0x88;
        frame[13 + 4 * types.length] = (byte) 0xb5;
        return frame;
    }

    /** Pieces of a frame that is cut for the driver wait for buffers, and what comes behind it waits for them. */
    @Test
    void piecesOfAFrameWaitForBuffersInOrder() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            assertEquals(0, net.control(VirtioNet.VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, le64(0)));
            net.addBuffers(0, 2, 1526);
            net.send(1, Packets.tcpToCut(0, 1111, 4000));
            net.awaitSent(1);
            net.sendPlain(1, frame(99));
            net.awaitAsleep();
            net.addBuffers(0, 1, 1526);
            net.awaitAsleep();
            net.addBuffers(0, 2, 1526);
            for (int piece = 0; piece < 4; piece++) {
                byte[] frame = net.receive(0).frame();
                assertEquals(54 + 1000, frame.length);
                assertEquals(1000 * piece, Packets.u16(frame, 40), "sequence number");
            }
            assertArrayEquals(frame(99), net.receive(0).frame());
        }
    }

    @Test
    void resetForgetsFramesAndTheDeviceStartsAgain() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.sendPlain(1, frame(60));
            long features = net.features & ~VirtioFeature.COMMON_MASK;
            net.reset();
            net.start(features, 0);
            net.addBuffers(0, 4, 1526);
            net.sendPlain(1, frame(61));
            assertArrayEquals(frame(61), net.receive(0).frame());
        }
    }

    @Test
    void memoryCanBeTakenAwayAndReturnedUnderTraffic() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 64, 1526);
            for (int i = 0; i < 50; i++) {
                net.send(1, concat(new byte[HEADER], frame(200 + i)));
                net.dmaMap.unmap(0x4000_0000L, 64L << 20); // an access afterwards would kill this JVM
                net.dmaMap.map(
                        0x4000_0000L,
                        64L << 20,
                        true,
                        true,
                        net.memory.memFd().fd().duplicate(),
                        0);
                net.runtime.refreshMemory();
                assertArrayEquals(frame(200 + i), net.receive(0).frame());
                net.awaitSent(1);
                net.addBuffers(0, 1, 1526);
            }
        }
    }
}
