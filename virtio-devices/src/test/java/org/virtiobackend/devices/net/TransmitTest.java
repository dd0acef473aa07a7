package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.virtiobackend.devices.net.NetFixture.Received;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** What a driver sends, well-formed and not, and what becomes of it on a loop. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TransmitTest {
    private static final NetSettings SETTINGS = new NetSettings(MAC, 0, 1, QUEUE_SIZE);
    private static final long GUEST_OFFLOADS = NetFeatures.guestFeatures(-1);

    /** A frame that always gets through, after which everything before it has been dealt with. */
    private static void expectOnly(NetFixture net, byte[] last) throws Exception {
        net.sendPlain(1, last);
        assertArrayEquals(last, net.receive(0).frame());
    }

    /** Row 20: the header in pieces of one byte, or split anywhere. */
    @Test
    void row20HeaderMayBeCutAnyhow() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 64, 1526);
            int[] bytes = new int[40];
            Arrays.fill(bytes, 1);
            for (int[] cuts : new int[][] {bytes, {12}, {5}, {11, 2}, {13}, {12, 14, 20}}) {
                // the ring's indirect tables have 16 entries: longer chains go into the ring itself
                net.send(1, concat(new byte[HEADER], frame(300)), Arrays.copyOf(cuts, Math.min(cuts.length, 15)));
                net.awaitSent(1);
                assertArrayEquals(frame(300), net.receive(0).frame());
            }
        }
    }

    @Test
    void row20ChainShorterThanHeaderAndEthernetIsDropped() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 64, 1526);
            for (int length = 1; length < HEADER + 14; length++) {
                net.send(1, new byte[length]);
                net.awaitSent(1);
            }
            expectOnly(net, frame(60));
            assertEquals(HEADER + 13, net.device.counters().malformed());
        }
    }

    @Test
    void frameLongerThanAnyPacketIsDropped() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 64, 1526);
            net.send(1, new byte[HEADER + 65_594]);
            net.awaitSent(1);
            expectOnly(net, frame(60));
        }
    }

    /** Row 17: everybody on a loop is the peer, and frames come back into the very memory from which they are sent. */
    @Test
    void row17FramesThatADriverSendsToItselfAreSurvived() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            DmaBuffer[] both = net.filled(concat(new byte[HEADER], frame(1514))).toArray(DmaBuffer[]::new);
            DmaBuffer[] none = {};
            for (int i = 0; i < 2_000; i++) {
                assertTrue(net.queues[0].add(none, 0, both, 1) >= 0);
                net.publish(0);
                assertTrue(net.queues[1].add(both, 1, none, 0) >= 0);
                net.publish(1);
                net.await(() -> net.queues[1].pollUsed() >= 0, "a transmit buffer back");
                net.await(() -> net.queues[0].pollUsed() >= 0, "a receive buffer back");
                assertEquals(HEADER + 1514, net.queues[0].usedLength());
            }
            net.addBuffers(0, 4, 1526);
            expectOnly(net, frame(60));
            assertFalse(net.failure.isDone());
        }
    }

    /** Row 22: headers that contradict themselves, the frame, or what was negotiated. */
    @Test
    void row22HeadersThatMakeNoSenseAreDropped() throws Exception {
        byte[][] wrong = {
            header(1, 1, 54, 0, 34, 16), // segments of no size
            header(0, 1, 54, 1000, 34, 16), // without a partial checksum
            header(1, 0, 0, 0, 0xffff, 0), // checksum behind the end
            header(1, 0, 0, 0, 0xffff, 0xffff),
            header(1, 0, 0, 0, 34, 5100),
            header(1, 2, 54, 1000, 34, 16), // a kind that does not exist
            header(1, 0x21, 54, 1000, 34, 16), // a tunnel
            header(1, 0x80, 54, 1000, 34, 16),
            header(1, 0x85, 42, 1000, 34, 6), // congestion and UDP
            header(1, 3, 42, 1000, 34, 6), // fragments were not negotiated
        };
        try (NetFixture net = new NetFixture(new LoopbackBackend(1))) {
            net.addBuffers(0, 64, 1526);
            for (byte[] header : wrong) {
                net.send(1, concat(header, Sample.TCP4.frame()));
                net.awaitSent(1);
            }
            expectOnly(net, frame(60));
            assertEquals(wrong.length, net.device.counters().malformed());
        }
    }

    @Test
    void offloadsThatWereNotNegotiatedAreDroppedAndFlagsIgnored() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1), SETTINGS, VirtioNet.VIRTIO_NET_F_MAC, 0)) {
            net.addBuffers(0, 64, 1526);
            net.send(1, concat(Sample.TCP4.header(), Sample.TCP4.frame()));
            net.awaitSent(1);
            assertEquals(1, net.device.counters().malformed());
            // virtio 1.4 5.1.9.2.2: a tunnel's checksum without a tunnel
            net.send(1, concat(header(8, 0, 0, 0, 0, 0), frame(60)));
            net.awaitSent(1);
            assertEquals(2, net.device.counters().malformed());
            // and without CSUM the flag means nothing
            net.send(1, concat(header(0xf7, 0, 0, 0, 14, 0), frame(60)));
            net.awaitSent(1);
            Received received = net.receive(0);
            assertArrayEquals(frame(60), received.frame());
            assertArrayEquals(new byte[10], Arrays.copyOf(received.header(), 10));
        }
    }

    @ParameterizedTest
    @EnumSource
    void offloadsGoAroundTheLoopForADriverThatCopesWithThem(Sample sample) throws Exception {
        try (NetFixture net = new NetFixture(
                new LoopbackBackend(1),
                SETTINGS,
                PLAIN & ~VirtioNet.VIRTIO_NET_F_CTRL_RX & ~VirtioNet.VIRTIO_NET_F_CTRL_VLAN,
                0)) {
            net.addBuffers(0, 64, 1526);
            net.send(1, concat(sample.header(), sample.frame()));
            net.awaitSent(1);
            Received received = net.receive(0);
            assertArrayEquals(sample.frame(), received.frame());
            assertArrayEquals(Arrays.copyOf(sample.header(), 10), Arrays.copyOf(received.header(), 10));
        }
    }

    @ParameterizedTest
    @EnumSource
    void offloadsAreDoneInSoftwareForADriverThatDoesNot(Sample sample) throws Exception {
        long accept = PLAIN
                & ~VirtioNet.VIRTIO_NET_F_CTRL_RX
                & ~VirtioNet.VIRTIO_NET_F_CTRL_VLAN
                & ~GUEST_OFFLOADS
                & ~VirtioNet.VIRTIO_NET_F_CTRL_GUEST_OFFLOADS;
        try (NetFixture net = new NetFixture(new LoopbackBackend(1), SETTINGS, accept, 0)) {
            net.addBuffers(0, 2, 1526); // too few for all pieces: the others wait
            net.send(1, concat(sample.header(), sample.frame()));
            net.awaitSent(1);
            for (int i = 0; i < sample.pieces(); i++) {
                Received received = net.receive(0);
                assertEquals(0, received.flags());
                assertEquals(0, received.gsoType());
                assertTrue(sample.checksumsAreRight(received.frame()));
                net.addBuffers(0, received.buffers(), 1526);
            }
        }
    }

    @Test
    void backendWithoutOffloadsGetsCompleteFrames() throws Exception {
        LoopbackBackend plain = new LoopbackBackend(1, 0, 0);
        assertEquals(0, NetFeatures.guestFeatures(plain.receiveOffloads()));
        try (NetFixture net = new NetFixture(plain, SETTINGS, PLAIN & ~VirtioNet.VIRTIO_NET_F_CTRL_RX, 0)) {
            assertTrue(net.device.isNegotiated(VirtioNet.VIRTIO_NET_F_HOST_TSO4), "done in software");
            assertFalse(net.device.isNegotiated(VirtioNet.VIRTIO_NET_F_GUEST_TSO4));
            net.addBuffers(0, 64, 1526);
            net.send(1, concat(Sample.TCP4.header(), Sample.TCP4.frame()));
            net.awaitSent(1);
            for (int i = 0; i < Sample.TCP4.pieces(); i++) {
                assertTrue(Sample.TCP4.checksumsAreRight(net.receive(0).frame()));
            }
        }
    }

    /** Rows 17, 18 and 22: random headers, rewritten while the device reads them, around a loop on which everybody is the peer. */
    @Test
    void row22RandomHeadersThatChangeWhileTheyAreReadAreSurvived() throws Exception {
        try (NetFixture net = new NetFixture(new LoopbackBackend(1, Segmenter.OFFLOADS, 0))) {
            Random random = new Random(4);
            AtomicBoolean stop = new AtomicBoolean();
            List<DmaBuffer> pieces = net.filled(concat(Sample.TCP4.header(), Sample.TCP4.frame()), HEADER);
            Thread racer = new Thread(() -> {
                ByteBuffer bytes = pieces.get(0).memory();
                Random other = new Random(5);
                while (!stop.get()) {
                    bytes.put(pieces.get(0).offset() + other.nextInt(10), (byte) other.nextInt(40));
                    bytes.put(pieces.get(1).offset() + other.nextInt(60), (byte) other.nextInt());
                }
            });
            racer.start();
            try {
                net.addBuffers(0, 128, 1526);
                for (int i = 0; i < 3_000; i++) {
                    DmaBuffer[] chain = pieces.toArray(DmaBuffer[]::new);
                    assertTrue(net.queues[1].add(chain, chain.length, chain, 0) >= 0);
                    net.publish(1);
                    net.await(() -> net.queues[1].pollUsed() >= 0, "a transmit buffer back");
                    byte[] header = new byte[HEADER];
                    random.nextBytes(header);
                    header[0] &= 3;
                    header[1] = new byte[] {0, 1, 4, 5, (byte) 0x81}[random.nextInt(5)];
                    net.send(1, concat(header, Sample.UDP6.frame()));
                    net.awaitSent(1);
                    while (net.poll(0)) {
                        int buffers = net.receive(0).buffers();
                        net.addBuffers(0, Math.max(1, buffers), 1526);
                    }
                }
            } finally {
                stop.set(true); // or it writes where there is no memory any more
                racer.join();
            }
            assertFalse(net.failure.isDone());
        }
    }

    @Test
    void featuresWithoutWhatTheyNeedAreRefused() throws Exception {
        try (LoopbackBackend backend = new LoopbackBackend(2)) {
            VirtioNetDevice device = new VirtioNetDevice(backend, new NetSettings(MAC, 0, 2, QUEUE_SIZE));
            assertTrue(device.acceptFeatures(device.offeredFeatures()));
            assertTrue(device.acceptFeatures(0));
            long all = device.offeredFeatures();
            for (long needed : new long[] {
                VirtioNet.VIRTIO_NET_F_CSUM, VirtioNet.VIRTIO_NET_F_GUEST_CSUM, VirtioNet.VIRTIO_NET_F_CTRL_VQ
            }) {
                assertFalse(device.acceptFeatures(all & ~needed));
            }
            assertTrue(device.acceptFeatures(
                    VirtioNet.VIRTIO_NET_F_CSUM | VirtioNet.VIRTIO_NET_F_HOST_TSO6 | VirtioNet.VIRTIO_NET_F_HOST_ECN));
            assertFalse(device.acceptFeatures(VirtioNet.VIRTIO_NET_F_CSUM | VirtioNet.VIRTIO_NET_F_HOST_ECN));
        }
    }
}
