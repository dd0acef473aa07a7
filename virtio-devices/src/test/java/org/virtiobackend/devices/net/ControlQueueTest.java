package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** Commands of the control queue, and what they change. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class ControlQueueTest {
    private static final long OTHER = 0x0200_0000_0001L;
    private static final long GROUP = 0x0100_5e01_0203L;
    private static final byte[] ON = {1};
    private static final byte[] OFF = {0};
    private static final int PAIRS = 4;

    private final LoopbackBackend backend = new LoopbackBackend(PAIRS);
    /** For marks: the same in each run. */
    private final Random random = new Random(9);

    private NetFixture net;

    @BeforeEach
    void setUp() throws Exception {
        net = new NetFixture(backend, new NetSettings(MAC, 0, PAIRS, QUEUE_SIZE), -1, 0);
        for (int pair = 0; pair < PAIRS; pair++) {
            net.addBuffers(2 * pair, 128, 1526);
        }
    }

    @AfterEach
    void tearDown() {
        net.close();
    }

    /** Whether a frame for this address arrives; a frame that always does comes after it. */
    private boolean arrives(byte[] frame) throws Exception {
        int mark = 1000 + random.nextInt(400);
        byte[] last = frame(MacAddress.BROADCAST, mark);
        net.sendPlain(1, frame);
        net.sendPlain(1, last);
        boolean arrived = false;
        while (true) {
            byte[] received = net.receive(0).frame();
            net.addBuffers(0, 1, 1526);
            if (Arrays.equals(received, last)) {
                return arrived;
            }
            assertArrayEquals(frame, received, () -> "with a mark of " + mark + " bytes");
            arrived = true;
        }
    }

    private boolean arrives(long destination) throws Exception {
        return arrives(frame(destination, 64));
    }

    private boolean arrivesTagged(int vlan) throws Exception {
        return arrivesTagged(0x8100, vlan);
    }

    private boolean arrivesTagged(int type, int vlan) throws Exception {
        byte[] frame = frame(MAC, 64);
        frame[12] = (byte) (type >> 8);
        frame[13] = (byte) type;
        frame[14] = (byte) (vlan >> 8);
        frame[15] = (byte) vlan;
        return arrives(frame);
    }

    /** Linux adds no service VLAN (802.1ad) to the table, and expects its frames. */
    @Test
    void vlanTableIsAboutCustomerTagsOnly() throws Exception {
        assertTrue(arrivesTagged(0x88a8, 5));
        assertFalse(arrivesTagged(0x8100, 5));
    }

    private static byte[] mac(long mac) {
        byte[] bytes = new byte[6];
        for (int i = 0; i < 6; i++) {
            bytes[i] = (byte) (mac >>> 40 - 8 * i);
        }
        return bytes;
    }

    @Test
    void deviceStartsWithItsOwnAddressAndBroadcastsOnly() throws Exception {
        assertTrue(arrives(MAC));
        assertFalse(arrives(OTHER));
        assertFalse(arrives(GROUP));
        assertFalse(arrivesTagged(5));
        assertTrue(net.device.counters().filtered() >= 3);
    }

    @Test
    void driverWithoutFilterCommandsGetsEverything() throws Exception {
        long features = net.features & ~(VIRTIO_NET_F_CTRL_RX | VIRTIO_NET_F_CTRL_VLAN | VirtioFeature.COMMON_MASK);
        net.reset();
        net.start(features, 0);
        net.addBuffers(0, 64, 1526);
        assertTrue(arrives(OTHER));
        assertTrue(arrives(GROUP));
        assertTrue(arrivesTagged(5));
    }

    @Test
    void modesOpenAndCloseTheFilter() throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLMULTI, ON));
        assertTrue(arrives(GROUP));
        assertFalse(arrives(OTHER));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOMULTI, ON));
        assertFalse(arrives(GROUP), "NOMULTI wins");
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, ON));
        assertTrue(arrives(GROUP), "promiscuous wins");
        assertTrue(arrives(OTHER));
        assertTrue(arrivesTagged(5));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, OFF));
        assertFalse(arrives(OTHER));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_ALLUNI, ON));
        assertTrue(arrives(OTHER));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOUNI, ON));
        assertFalse(arrives(OTHER), "NOUNI wins");
        assertFalse(arrives(MAC));
    }

    @Test
    void broadcastsCanBeSuppressed() throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, ON));
        net.sendPlain(1, frame(MacAddress.BROADCAST, 64));
        net.sendPlain(1, frame(MAC, 65));
        assertArrayEquals(frame(MAC, 65), net.receive(0).frame());
    }

    @Test
    void addressTablesPassWhatTheyHoldAndEverythingWhenTheyOverflow() throws Exception {
        byte[] tables = concat(le32(1), mac(OTHER), le32(1), mac(GROUP));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, tables));
        assertTrue(arrives(OTHER));
        assertFalse(arrives(OTHER + 1));
        assertTrue(arrives(GROUP));
        assertFalse(arrives(GROUP + 1));
        byte[] many = concat(le32(0), le32(ReceiveFilter.MAX_ADDRESSES + 1), new byte[6 * 257]);
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, many));
        assertTrue(arrives(GROUP + 1), "more groups than fit: all of them");
        assertFalse(arrives(OTHER));
        many = concat(le32(ReceiveFilter.MAX_ADDRESSES + 1), new byte[6 * 257], le32(0));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, many));
        assertTrue(arrives(OTHER), "more addresses than fit: all of them");
        assertFalse(arrives(GROUP));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, new byte[8]));
        assertFalse(arrives(GROUP));
    }

    @Test
    void addressOfTheDeviceCanBeChangedAndComesBackAtReset() throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac(OTHER)));
        assertTrue(arrives(OTHER));
        assertFalse(arrives(MAC));
        assertEquals(OTHER & 0xff, net.device.config().get(5, 1));
        assertEquals(1, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET, mac(GROUP)), "no group");
        net.reset();
        assertEquals(MAC & 0xff, net.device.config().get(5, 1));
        net.start(net.device.offeredFeatures(), 0);
    }

    @Test
    void vlanTablePassesWhatItHolds() throws Exception {
        assertEquals(0, net.control(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, le16(5)));
        assertTrue(arrivesTagged(5));
        assertTrue(arrivesTagged(0x2005), "whatever the priority");
        assertFalse(arrivesTagged(6));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_DEL, le16(5)));
        assertFalse(arrivesTagged(5));
        assertEquals(1, net.control(VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, le16(4096)));
    }

    /** Row 23: each command, each truncation, each value out of range is answered with an error and changes nothing. */
    @Test
    void row23CommandsThatMakeNoSenseAreRefused() throws Exception {
        for (int pairs : new int[] {0, PAIRS + 1, 0x8000, 0xffff}) {
            assertEquals(1, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, le16(pairs)));
        }
        byte[][] commands = {
            {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, 1},
            {VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_NOBCAST, 1},
            concat(
                    new byte[] {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET},
                    le32(1),
                    mac(OTHER),
                    le32(1),
                    mac(GROUP)),
            concat(new byte[] {VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_ADDR_SET}, mac(OTHER)),
            {VIRTIO_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN_ADD, 5, 0},
            {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, 2, 0},
            concat(new byte[] {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG}, rss(0x1ff, 0, 1, 40, 0, 1)),
            concat(new byte[] {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG}, hashConfig(0x1ff, 40)),
            {VIRTIO_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET, 0, 0, 0, 0, 0, 0, 0, 0},
        };
        for (byte[] command : commands) {
            for (int length = 0; length < command.length; length++) {
                byte[] answer = net.control(Arrays.copyOf(command, length), 1);
                assertArrayEquals(new byte[] {1}, answer, Arrays.toString(command) + " cut to " + length);
            }
        }
        for (long entries : new long[] {2, 0x7fff_ffff, 0x8000_0000L, 0xffff_ffffL, 0x2aaa_aaabL}) {
            byte[] lie = concat(le32(entries), mac(OTHER), le32(0));
            assertEquals(1, net.control(VIRTIO_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC_TABLE_SET, lie), entries + " entries");
        }
        assertFalse(arrives(OTHER));
        assertFalse(arrives(GROUP));
        assertFalse(arrivesTagged(5));
        for (byte[] command : commands) {
            assertArrayEquals(new byte[0], net.control(command, 0), "no room for an answer");
        }
        assertFalse(arrives(OTHER), "what cannot be answered is not done");
        for (byte[] command : commands) {
            assertArrayEquals(new byte[] {0}, net.control(command, 1, 1, 1, 1, 1, 1, 1, 1), "in pieces");
        }
        assertFalse(net.failure.isDone());
    }

    /** Row 23: tables and keys of every wrong size. */
    @Test
    void row23HashConfigurationsThatMakeNoSenseAreRefused() throws Exception {
        byte[][] wrong = {
            rss(0x200, 0, 1, 40, 0, 1), // a type that is not supported
            rss(0x1ff, PAIRS, 1, 40, 0, 1), // a queue that is not there
            rss(0x1ff, 0, 1, 40, 0, PAIRS),
            rss(0x1ff, 0, 1, 40, 0, 0x8000),
            rss(0x1ff, 0, 0, 40, 0, 1), // no transmit queue
            rss(0x1ff, 0, PAIRS + 1, 40, 0, 1),
            rss(0x1ff, 0, 1, 41, 0, 1), // a key longer than announced
            rss(0x1ff, 0, 1, 255, 0, 1),
            rss(0x1ff, 0, 1, 40, 0, 1, 2), // three entries
            rss(0x1ff, 0, 1, 40, new int[256]), // more than announced
        };
        for (byte[] data : wrong) {
            assertEquals(1, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, data));
        }
        byte[] mask = rss(0x1ff, 0, 1, 40, 0, 1);
        mask[4] = (byte) 0xff;
        mask[5] = (byte) 0xff;
        assertEquals(1, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_RSS_CONFIG, mask), "a mask without a table");
        assertEquals(1, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, hashConfig(0x400, 40)));
        assertEquals(1, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, hashConfig(1, 41)));
        assertTrue(arrives(MAC));
    }

    @Test
    void queuesThatAreNotInUseGetNothing() throws Exception {
        net.sendPlain(3, frame(100));
        assertFalse(net.poll(2));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, le16(2)));
        assertArrayEquals(frame(100), net.receive(2).frame());
        net.sendPlain(3, frame(101));
        assertArrayEquals(frame(101), net.receive(2).frame());
    }

    /** 5.1.9.5.6.2: the answer comes when every worker has shown what it did by the old rules, and holds nobody else up. */
    @Test
    void commandThatChangesTheRulesIsAnsweredAfterThePresentWork() throws Exception {
        net.close();
        net = new NetFixture(
                new LoopbackBackend(2),
                new NetSettings(MAC, 0, 2, QUEUE_SIZE),
                PLAIN,
                0,
                null,
                WorkerPool.ALWAYS); // all queues on one worker: what it begins it ends
        byte[] head = {VIRTIO_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET};
        NetFixture.Command change = net.command(concat(head, le16(2)), 1);
        NetFixture.Command other = net.command(new byte[] {VIRTIO_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE_ACK}, 1);
        net.publish(net.controlQueue());
        assertArrayEquals(new byte[1], net.answer(other));
        assertArrayEquals(new byte[1], net.answer(change));
    }

    static byte[] rss(long types, int unclassified, int transmitQueues, int keyBytes, int... table) {
        byte[] entries = new byte[0];
        for (int entry : table) {
            entries = concat(entries, le16(entry));
        }
        byte[] key = new byte[keyBytes];
        for (int i = 0; i < keyBytes; i++) {
            key[i] = (byte) (i * 37 + 11);
        }
        return concat(
                le32(types),
                le16(table.length - 1),
                le16(unclassified),
                entries,
                le16(transmitQueues),
                new byte[] {(byte) keyBytes},
                key);
    }

    static byte[] hashConfig(long types, int keyBytes) {
        byte[] key = new byte[keyBytes];
        Arrays.fill(key, (byte) 0x5a);
        return concat(le32(types), new byte[8], new byte[] {(byte) keyBytes}, key);
    }
}
