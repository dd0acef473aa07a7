package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;
import static org.virtiobackend.devices.net.VirtioNet.*;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.device.worker.WorkerPool;
import org.virtiobackend.virtio.queue.QueueConfig;

/** Notifications that are held back, counted. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class CoalescingTest {
    private static final byte[] FOREVER = le32(0xffff_ffffL);
    private NetFixture net;

    @BeforeEach
    void setUp() throws Exception {
        net = new NetFixture(new LoopbackBackend(1));
        long features = net.features & ~VirtioFeature.COMMON_MASK;
        net.reset();
        net.withoutRingFeatures = VirtioFeature.VIRTIO_F_EVENT_IDX; // every notification counts, not only the first
        net.start(features, 0);
        net.addBuffers(0, 200, 1526);
        net.queues[1].enableInterrupts();
    }

    @AfterEach
    void tearDown() {
        net.close();
    }

    private int set(int command, byte[] packets, byte[] micros) throws Exception {
        return net.control(VIRTIO_NET_CTRL_NOTF_COAL, command, concat(packets, micros));
    }

    /** Sends frames one by one. */
    private void send(int frames) throws Exception {
        for (int i = 0; i < frames; i++) {
            net.sendPlain(1, frame(100));
        }
    }

    private int notifications() {
        return net.notifications[1].get();
    }

    private byte[] get(int queue) throws Exception {
        return net.control(
                concat(
                        new byte[] {VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET},
                        le16(queue),
                        le16(0xffff)),
                9);
    }

    @Test
    void everyFrameIsToldOfSoonBeforeAnythingIsSaid() throws Exception {
        for (int i = 1; i <= 20; i++) {
            send(1);
            int told = i;
            net.await(() -> notifications() == told, "a notification for each that nothing follows");
        }
    }

    @Test
    void notificationComesAfterSoManyBuffers() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, le32(8), FOREVER));
        send(7);
        assertEquals(0, notifications());
        send(1);
        net.await(() -> notifications() == 1, "a notification");
        send(16);
        net.await(() -> notifications() == 3, "two more");
    }

    /** A driver has no descriptors left, for however long it said. */
    @Test
    void notificationComesWhenHalfTheRingIsHeldBack() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, FOREVER, FOREVER));
        send(QUEUE_SIZE / 2 - 1);
        assertEquals(0, notifications());
        send(1);
        net.await(() -> notifications() == 1, "a notification");
    }

    @Test
    void descriptorsOfTheRingCountNotBuffers() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, FOREVER, FOREVER));
        int[] cuts = new int[31]; // more than an indirect table of this driver has
        Arrays.fill(cuts, 1);
        for (int i = 0; i < QUEUE_SIZE / 2 / 32; i++) {
            assertEquals(0, notifications());
            net.send(1, concat(new byte[net.device.headerBytes()], frame(100)), cuts);
            net.awaitSent(1);
        }
        net.await(() -> notifications() == 1, "a notification");
    }

    @Test
    void notificationComesAfterSomeTime() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, FOREVER, le32(20_000)));
        send(1);
        net.await(() -> notifications() == 1, "a notification by and by");
    }

    /** The example of virtio 1.4 5.1.9.5.10.4. */
    @Test
    void smallerNumberReleasesWhatIsHeldBack() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, le32(15), FOREVER));
        send(10);
        assertEquals(0, notifications());
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, le32(8), FOREVER));
        net.await(() -> notifications() == 1, "a notification");
    }

    /** The sequence of virtio 1.4 5.1.9.5.10, with one pair. */
    @Test
    void lastCommandCountsWhateverItIs() throws Exception {
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_RX_SET, le32(1), le32(2)));
        assertArrayEquals(concat(new byte[1], le32(1), le32(2)), get(0));
        assertArrayEquals(new byte[9], get(1));
        byte[] one = concat(le16(1), le16(0xffff), le32(3), le32(4));
        assertEquals(0, net.control(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, one));
        assertArrayEquals(concat(new byte[1], le32(3), le32(4)), get(1));
        assertEquals(0, set(VIRTIO_NET_CTRL_NOTF_COAL_TX_SET, le32(5), FOREVER));
        assertArrayEquals(concat(new byte[1], le32(5), FOREVER), get(1));
        assertArrayEquals(concat(new byte[1], le32(1), le32(2)), get(0));
    }

    @Test
    void queuesThatAreNoReceiveOrTransmitQueueAreRefused() throws Exception {
        for (int queue : new int[] {2, 3, 0xffff}) {
            byte[] one = concat(le16(queue), le16(0), le32(3), le32(4));
            assertEquals(1, net.control(VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET, one));
            assertArrayEquals(new byte[] {1}, get(queue));
        }
        byte[] command = {VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_GET, 0, 0, 0, 0};
        for (int room = 1; room < 9; room++) {
            assertArrayEquals(new byte[] {1}, net.control(command, room), "no room for the answer");
        }
    }

    /** The write that enables a queue is posted: a worker that polls sees the command behind it before the transport has executed it. */
    @Test
    void commandWaitsForTheEnablingOfAQueueThatCameBeforeIt() throws Exception {
        net.close();
        net = new NetFixture(
                new LoopbackBackend(1), new NetSettings(MAC, 0, 1, QUEUE_SIZE), PLAIN, 0, null, WorkerPool.ALWAYS);
        assertTrue(net.runtime.stopQueue(0));
        QueueConfig enabled = net.renew(0);
        send(3); // the worker has taken the first look, for which it waits for no notification
        byte[] head = {VIRTIO_NET_CTRL_NOTF_COAL, VIRTIO_NET_CTRL_NOTF_COAL_VQ_SET};
        NetFixture.Command command = net.command(concat(head, le16(0), le16(0), le32(3), le32(4)), 1);
        net.queues[net.controlQueue()].publish();
        send(3); // the only worker has looked at all queues in the meantime
        net.runtime.startQueue(enabled);
        net.runtime.kick(net.controlQueue());
        assertArrayEquals(new byte[1], net.answer(command));
        assertArrayEquals(concat(new byte[1], le32(3), le32(4)), get(0));
    }
}
