package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.Toeplitz;

/** Receive side scaling and hash reports on a device with four queue pairs. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class SteeringTest {
    private static final byte[] FROM = {10, 0, 0, 1};
    private static final byte[] TO = {10, 0, 0, 2};
    private static final int PAIRS = 4;
    private static final int[] TABLE = {0, 1, 2, 3, 3, 2, 1, 0};

    private final LoopbackBackend backend = new LoopbackBackend(PAIRS);
    private final FlowHash hash = new FlowHash();
    private NetFixture net;
    private Toeplitz toeplitz;

    @BeforeEach
    void setUp() throws Exception {
        net = new NetFixture(backend, new NetSettings(MAC, 0, PAIRS, QUEUE_SIZE), -1, 0);
        for (int pair = 0; pair < PAIRS; pair++) {
            net.addBuffers(2 * pair, 100, 1536);
        }
        byte[] command = ControlQueueTest.rss(0x1ff, 3, PAIRS, 40, TABLE);
        toeplitz = new Toeplitz(Arrays.copyOfRange(command, command.length - 40, command.length));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, command));
    }

    @AfterEach
    void tearDown() {
        net.close();
    }

    private static byte[] flow(int port) {
        byte[] udp = Packets.udp(FROM, TO, port, 53, new byte[100], false);
        return Packets.ethernet(MAC, 2, 0x0800, Packets.ipv4(FROM, TO, 17, udp));
    }

    private int hashOf(byte[] frame) {
        hash.calculate(FlowHash.ALL_TYPES, toeplitz, ByteBuffer.wrap(frame), frame.length);
        return hash.value();
    }

    @Test
    void hashLeadsThroughTheTableToTheQueueAndIsReported() throws Exception {
        boolean[] seen = new boolean[PAIRS];
        for (int port = 1; port <= 64; port++) {
            byte[] frame = flow(port);
            int pair = TABLE[hashOf(frame) & 7];
            net.sendPlain(1 + 2 * (port % PAIRS), frame);
            NetFixture.Received received = net.receive(2 * pair);
            assertArrayEquals(frame, received.frame());
            assertEquals(hashOf(frame) & 0xffff_ffffL, received.hash());
            assertEquals(3, received.field(16), "UDPv4");
            net.addBuffers(2 * pair, 1, 1536);
            seen[pair] = true;
        }
        assertArrayEquals(new boolean[] {true, true, true, true}, seen);
    }

    @Test
    void frameWithoutAHashGoesToTheUnclassifiedQueue() throws Exception {
        net.sendPlain(1, Packets.arpRequest(MAC, FROM, TO));
        NetFixture.Received received = net.receive(6);
        assertEquals(0, received.hash());
        assertEquals(0, received.field(16), "no report");
    }

    /** Row 40: a queue without buffers starves alone. */
    @Test
    void row40QueueWithoutBuffersDoesNotStopTheOthers() throws Exception {
        int full = flowTo(1);
        int other = flowTo(2);
        for (int i = 0; i < 4_000; i++) { // more than buffers, and than the way to that queue holds
            net.sendPlain(1, flow(full));
        }
        net.sendPlain(1, flow(other));
        assertArrayEquals(flow(other), net.receive(4).frame());
        net.sendPlain(3, flow(other)); // comes in on the starving queue's own channel
        assertArrayEquals(flow(other), net.receive(4).frame());
        assertTrue(net.device.counters().receiveDropped() > 0);
        for (int i = 0; i < 100; i++) {
            assertArrayEquals(flow(full), net.receive(2).frame());
        }
        net.addBuffers(2, 1, 1536);
        assertArrayEquals(flow(full), net.receive(2).frame(), "and goes on");
    }

    /** Frames that had found no buffers when a queue went out of use are not shown as new ones when it is used again. */
    @Test
    void framesForAQueueThatWentOutOfUseAreDropped() throws Exception {
        int starving = flowTo(1);
        for (int i = 0; i < 150; i++) { // 50 more than it has buffers
            net.sendPlain(1, flow(starving));
        }
        for (int i = 0; i < 100; i++) {
            net.receive(2);
        }
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, le16(1)));
        net.await(() -> net.device.counters().receiveDropped() == 50, "50 frames dropped");
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, le16(2)));
        net.addBuffers(2, 1, 1536);
        net.sendPlain(3, flow(flowTo(3)));
        assertArrayEquals(flow(flowTo(3)), net.receive(2).frame(), "nothing old");
    }

    /** A frame that is cut for the driver leaves nothing behind that another frame could be taken for. */
    @ParameterizedTest
    @ValueSource(ints = {5, 3}) // by way of another queue's worker, and by the queue's own channel
    void restOfAFrameThatFindsNoBuffersIsDroppedWithIt(int channel) throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_GUEST_OFFLOADS, 0, le64(0)));
        int plain = flowTo(1);
        for (int i = 0; i < 98; i++) {
            net.sendPlain(1, flow(plain));
            net.receive(2);
        }
        int cut = 1;
        while (pairOf(withoutHeader(Packets.tcpToCut(8, cut, 4000))) != 1) {
            cut++;
        }
        net.send(channel, Packets.tcpToCut(8, cut, 4000));
        net.awaitSent(channel);
        assertEquals(0, Packets.u16(net.receive(2).frame(), 40), "sequence number");
        assertEquals(1000, Packets.u16(net.receive(2).frame(), 40));
        net.awaitAsleep();
        net.sendPlain(1, flow(plain));
        net.sendPlain(channel, flow(flowTo(2)));
        assertArrayEquals(flow(flowTo(2)), net.receive(4).frame(), "that of another queue");
        net.awaitAsleep();
        net.addBuffers(2, 8, 1536);
        NetFixture.Received received = net.receive(2);
        assertArrayEquals(flow(plain), received.frame());
        assertEquals(hashOf(flow(plain)) & 0xffff_ffffL, received.hash());
        net.awaitAsleep();
        assertFalse(net.poll(2), "nothing twice");
        assertEquals(1, net.device.counters().receiveDropped());
    }

    private static byte[] withoutHeader(byte[] bytes) {
        return Arrays.copyOfRange(bytes, 20, bytes.length);
    }

    private int pairOf(byte[] frame) {
        return TABLE[hashOf(frame) & 7];
    }

    /** virtio 1.4 5.1.9.5.5: the last command counts. */
    @Test
    void hashConfigurationEndsSteering() throws Exception {
        byte[] command = ControlQueueTest.hashConfig(0x1ff, 40);
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, command));
        toeplitz = new Toeplitz(Arrays.copyOfRange(command, command.length - 40, command.length));
        for (int port = 1; port <= 16; port++) {
            int pair = port % PAIRS;
            net.sendPlain(1 + 2 * pair, flow(port));
            NetFixture.Received received = net.receive(2 * pair);
            assertArrayEquals(flow(port), received.frame());
            assertEquals(hashOf(flow(port)) & 0xffff_ffffL, received.hash(), "by the new key");
        }
    }

    private int flowTo(int pair) {
        for (int port = 1; ; port++) {
            if (TABLE[hashOf(flow(port)) & 7] == pair) {
                return port;
            }
        }
    }

    @Test
    void queuePairsCommandEndsSteering() throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, le16(2)));
        for (int port = 1; port <= 16; port++) {
            net.sendPlain(3, flow(port));
            NetFixture.Received received = net.receive(2);
            assertArrayEquals(flow(port), received.frame());
            assertEquals(hashOf(flow(port)) & 0xffff_ffffL, received.hash(), "still reported");
        }
    }

    /** Row 21: the header with a hash is longer; it fits or the buffer is not used. */
    @Test
    void row21HeaderWithAHashNeedsTwentyBytes() throws Exception {
        NetSettings one = new NetSettings(MAC, 0, 1, QUEUE_SIZE);
        for (long accept : new long[] {-1, ~VIRTIO_NET_F_MRG_RXBUF}) {
            try (NetFixture single = new NetFixture(new LoopbackBackend(1), one, accept, 0)) {
                assertEquals(
                        0,
                        single.control(
                                VIRTIO_NET_CTRL_MQ,
                                VIRTIO_NET_CTRL_MQ_HASH_CONFIG,
                                ControlQueueTest.hashConfig(0x1ff, 40)));
                single.addBuffers(0, 1, 12);
                single.addBuffers(0, 1, 19, 12);
                single.addBuffers(0, 1, 1536, 12, 1, 1, 1, 4, 1);
                single.sendPlain(1, flow(1));
                assertEquals(0, single.receive(0).header().length);
                assertEquals(0, single.receive(0).header().length);
                NetFixture.Received received = single.receive(0);
                assertArrayEquals(flow(1), received.frame());
                assertEquals(3, received.field(16));
            }
        }
    }
}
