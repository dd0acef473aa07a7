package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.io.IOException;
import java.net.DatagramPacket;
import java.net.DatagramSocket;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.devices.net.NetFixture.Received;
import org.virtiobackend.devices.net.backend.NetBackendException;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.backend.TapBackend;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.TunTap;

/** A device on a tap whose other end is this host's network stack: the kernel answers, and judges checksums and segments. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class TapTest {
    private static final byte[] HOST = {10, (byte) 213, 77, 1};
    private static final byte[] GUEST = {10, (byte) 213, 77, 2};
    private static final int PORT = 7777;

    private final String name = "vbt" + ProcessHandle.current().pid() % 1_000_000;
    private TapBackend backend;
    private NetFixture net;
    private DatagramSocket socket;

    @BeforeEach
    void setUp() throws Exception {
        Taps.assumeTheyCanBeMade();
        backend = TapBackend.open(name, 1);
        ip("address", "add", "10.213.77.1/24", "dev", name);
        ip("neighbour", "add", "10.213.77.2", "lladdr", MacAddress.text(MAC), "dev", name, "nud", "permanent");
        socket = new DatagramSocket(new InetSocketAddress(InetAddress.getByAddress(HOST), PORT));
        socket.setSoTimeout(10_000);
        net = new NetFixture(backend);
    }

    @AfterEach
    void tearDown() {
        if (socket != null) {
            socket.close();
        }
        if (net != null) {
            net.close();
        } else if (backend != null) {
            backend.close();
        }
    }

    private static void ip(String... arguments) throws IOException, InterruptedException {
        String[] command = new String[arguments.length + 1];
        command[0] = "/sbin/ip";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), String.join(" ", command) + ": " + said);
    }

    /** The next frame of this EtherType for the device; the kernel also says things of its own. */
    private Received receive(int type) throws Exception {
        while (true) {
            Received received = net.receive(0);
            net.addBuffers(0, received.buffers(), 1526);
            if (Packets.u16(received.frame(), 12) == type) {
                return received;
            }
        }
    }

    private long hostMac() throws IOException {
        return MacAddress.parse(
                Files.readString(Path.of("/sys/class/net", name, "address")).trim());
    }

    private byte[] datagram(byte[] payload, boolean partial) throws IOException {
        byte[] udp = Packets.udp(GUEST, HOST, 5555, PORT, payload, partial);
        return Packets.ethernet(hostMac(), MAC, 0x0800, Packets.ipv4(GUEST, HOST, 17, udp));
    }

    private byte[] hostReceives() throws IOException {
        DatagramPacket packet = new DatagramPacket(new byte[65536], 65536);
        socket.receive(packet);
        return Arrays.copyOf(packet.getData(), packet.getLength());
    }

    private void hostSends(byte[] payload) throws IOException {
        socket.send(new DatagramPacket(
                payload, payload.length, new InetSocketAddress(InetAddress.getByAddress(GUEST), 5555)));
    }

    @Test
    void kernelAnswersAnArpRequest() throws Exception {
        net.addBuffers(0, 64, 1526);
        net.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
        byte[] answer = receive(0x0806).frame();
        assertEquals(2, Packets.u16(answer, 20), "a reply");
        assertArrayEquals(HOST, Arrays.copyOfRange(answer, 28, 32));
    }

    @Test
    void kernelCompletesAPartialChecksum() throws Exception {
        byte[] payload = frame(1001);
        net.send(1, concat(header(1, 0, 0, 0, 34, 6), datagram(payload, true)));
        net.awaitSent(1);
        assertArrayEquals(payload, hostReceives());
    }

    @Test
    void kernelCutsAUdpFrameIntoDatagrams() throws Exception {
        assumeTrue(net.device.isNegotiated(VirtioNet.VIRTIO_NET_F_HOST_USO), "the kernel segments UDP");
        byte[] payload = frame(4500);
        net.send(1, concat(header(1, 5, 42, 1000, 34, 6), datagram(payload, true)), 12, 42, 2000);
        net.awaitSent(1);
        for (int at = 0; at < payload.length; at += 1000) {
            int end = Math.min(at + 1000, payload.length);
            assertArrayEquals(Arrays.copyOfRange(payload, at, end), hostReceives());
        }
    }

    @Test
    void offloadsOfReceivedFramesFollowTheDriver() throws Exception {
        net.addBuffers(0, 128, 1526);
        byte[] payload = frame(1200);
        hostSends(payload);
        Received partial = receive(0x0800);
        assertEquals(1, partial.flags(), "NEEDS_CSUM");
        assertEquals(34, partial.csumStart());

        assertEquals(0, net.control(5, 0, le64(0)));
        hostSends(payload);
        Received complete = receive(0x0800);
        assertEquals(0, complete.flags());
        assertTrue(Packets.ipv4ChecksumsAreRight(complete.frame()));
        assertArrayEquals(payload, Arrays.copyOfRange(complete.frame(), 42, 42 + payload.length));

        assertEquals(1, net.control(5, 0, le64(1L << 40)), "an offload that was not negotiated");
        assertEquals(
                0,
                net.control(5, 0, le64(VirtioNet.VIRTIO_NET_F_GUEST_CSUM | VirtioNet.VIRTIO_NET_F_GUEST_HDRLEN)),
                "as Linux");
        hostSends(payload);
        assertEquals(1, receive(0x0800).flags());
    }

    @Test
    void linkFollowsTheInterface() throws Exception {
        assertTrue(linkIsUp());
        int generation = net.device.config().generation();
        ip("link", "set", name, "down");
        backend.lookAfter();
        assertFalse(linkIsUp());
        assertTrue(net.device.config().generation() != generation);
        ip("link", "set", name, "up");
        backend.lookAfter();
        assertTrue(linkIsUp());
        net.addBuffers(0, 64, 1526);
        net.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
        receive(0x0806);
    }

    @Test
    void interfaceThatIsDeletedTakesTheLinkDownAndNothingElse() throws Exception {
        net.addBuffers(0, 64, 1526);
        ip("link", "delete", name);
        backend.lookAfter();
        assertFalse(linkIsUp());
        net.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
        assertEquals(1, net.device.counters().transmitDropped());
        assertFalse(net.failure.isDone());
    }

    @Test
    void interfaceThatComesBackIsUsedAgain() throws Exception {
        net.addBuffers(0, 64, 1526);
        ip("link", "delete", name);
        backend.lookAfter();
        assertFalse(linkIsUp());
        ip("tuntap", "add", "dev", name, "mode", "tun");
        backend.lookAfter();
        assertFalse(linkIsUp(), "it is no tap");
        ip("link", "delete", name);
        ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr");
        try {
            backend.lookAfter();
            assertFalse(linkIsUp(), "it is down");
            ip("link", "set", name, "up");
            ip("address", "add", "10.213.77.1/24", "dev", name);
            backend.lookAfter();
            assertTrue(linkIsUp());
            net.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
            assertArrayEquals(HOST, Arrays.copyOfRange(receive(0x0806).frame(), 28, 32));
        } finally {
            ip("link", "delete", name);
        }
    }

    /** The workers have found it gone, and nobody else. */
    @Test
    void interfaceThatIsMadeAgainBetweenTwoLooksIsUsedAgain() throws Exception {
        net.addBuffers(0, 64, 1526);
        ip("link", "delete", name);
        net.awaitAsleep();
        ip("tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr");
        try {
            ip("link", "set", name, "up");
            ip("address", "add", "10.213.77.1/24", "dev", name);
            net.await(
                    () -> {
                        backend.lookAfter();
                        return linkIsUp();
                    },
                    "the link is up");
            net.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
            assertArrayEquals(HOST, Arrays.copyOfRange(receive(0x0806).frame(), 28, 32));
        } finally {
            ip("link", "delete", name);
        }
    }

    /** The kernel refuses a set of offloads as a whole, which leaves the old ones: what is asked of it is a set that it takes. */
    @Test
    void kernelTakesWhatIsLeftOfEverySetOfOffloads() throws Exception {
        int uso = Offload.USO4 | Offload.USO6;
        try (TunTap tap = TunTap.open(name + "o", false)) {
            assumeTrue(tap.setOffloads(Offload.CSUM | uso) == 0, "a kernel with USO");
            for (int set = 0; set < 0x80; set++) {
                int asked = Offload.forTap(set);
                assertEquals(0, asked & ~set, "a part of " + set);
                assertEquals(0, tap.setOffloads(asked), "of " + set + " it is asked for " + asked);
                assertEquals(
                        asked == set, tap.setOffloads(set) == 0, "nothing is left out of " + set + " without need");
            }
        }
    }

    /** One frame is lost, and the link lives. */
    @Test
    void frameThatTheKernelCannotHandOverIsLostAlone() throws Exception {
        NetChannel.Scattering channel = (NetChannel.Scattering) backend.channel(0);
        NativeBuffer room = NativeBuffer.allocate(2048);
        channel.dropReceived();
        IoVec iov = new IoVec();
        iov.add(4096, 2000); // nobody's memory
        assertEquals(NetChannel.DROPPED, receiveOne(channel, iov), "EFAULT");
        iov.clear();
        iov.add(room.address(), HEADER - 1);
        assertEquals(NetChannel.DROPPED, receiveOne(channel, iov), "EINVAL");
        iov.clear();
        iov.add(room.address(), 2000);
        assertTrue(receiveOne(channel, iov) > HEADER);
        ip("link", "delete", name);
        assertEquals(NetChannel.GONE, receiveOne(channel, iov));
    }

    private long receiveOne(NetChannel.Scattering channel, IoVec iov) throws Exception {
        long[] result = {0};
        if (Files.exists(Path.of("/sys/class/net", name))) {
            hostSends(frame(1200));
        }
        net.await(() -> (result[0] = channel.receive(iov)) != 0, "a frame");
        return result[0];
    }

    @Test
    void inheritedDescriptorsHaveToBeQueuesOfOneTap() throws Exception {
        String[] names = {name + "a", name + "b"};
        refusesDescriptors("not " + names[0] + ", " + names[1], queue(names[0], true), queue(names[1], true));
        refusesDescriptors("(one queue)", queue(names[0], false), queue(names[1], true));
        int first = queue(names[0], true);
        TapBackend.adopt(List.of(first, queue(names[0], true))).close();
    }

    private static int queue(String of, boolean multiQueue) throws Exception {
        return TunTap.open(of, multiQueue).fd().release();
    }

    private static void refusesDescriptors(String why, Integer... descriptors) {
        NetBackendException e = assertThrows(NetBackendException.class, () -> TapBackend.adopt(List.of(descriptors)));
        assertTrue(e.getMessage().contains(why), e.getMessage());
    }

    @Test
    void workersSleepWhenTheInterfaceIsGone() throws Exception {
        net.addBuffers(0, 64, 1526);
        ip("link", "delete", name);
        backend.lookAfter();
        net.awaitAsleep();
    }

    @Test
    void inheritedDescriptorOfATapServes() throws Exception {
        ip("link", "delete", name);
        String inherited = name + "i";
        int descriptor = TunTap.open(inherited, false).fd().release();
        ip("address", "add", "10.213.77.1/24", "dev", inherited);
        ip("link", "set", inherited, "up");
        try (NetFixture other = new NetFixture(TapBackend.adopt(List.of(descriptor)))) {
            other.addBuffers(0, 64, 1526);
            other.sendPlain(1, Packets.arpRequest(MAC, GUEST, HOST));
            assertArrayEquals(HOST, Arrays.copyOfRange(answerToArp(other), 28, 32));
        }
    }

    private static byte[] answerToArp(NetFixture at) throws Exception {
        while (true) {
            byte[] frame = at.receive(0).frame();
            if (Packets.u16(frame, 12) == 0x0806 && Packets.u16(frame, 20) == 2) {
                return frame;
            }
        }
    }

    /** Frames in the ring of a transmit queue that was taken out of use still go out. */
    @Test
    void framesOfATransmitQueueOutOfUseGoOutByTheFirst() throws Exception {
        ip("link", "delete", name);
        String several = name + "m";
        try (TapBackend taps = TapBackend.open(several, 2)) {
            ip("address", "add", "10.213.77.1/24", "dev", several);
            try (NetFixture multi = new NetFixture(taps, new NetSettings(MAC, 0, 2, QUEUE_SIZE), PLAIN, 0)) {
                multi.addBuffers(0, 64, 1526);
                multi.sendPlain(3, Packets.arpRequest(MAC, GUEST, HOST));
                answerToArp(multi);
                assertEquals(0, multi.device.counters().transmitDropped());
            }
        }
    }

    private boolean linkIsUp() {
        return (net.device.config().get(VirtioNet.CONFIG_STATUS, 2) & VirtioNet.VIRTIO_NET_S_LINK_UP) != 0;
    }
}
