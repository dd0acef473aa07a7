package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.net.backend.TapBackend;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;

/** The command line of the network device: what is refused, and that it serves, over a real socket. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class NetCommandTest {
    @TempDir
    private Path directory;

    private void refuses(String message, String... options) {
        Path socket = directory.resolve("s");
        List<String> arguments = new ArrayList<>(List.of("net", "--socket-path=" + socket));
        arguments.addAll(List.of(options));
        CommandLineRun run = CommandLineRun.of(arguments.toArray(String[]::new));
        assertEquals(List.of("virtio-backend net: " + message), run.errLines());
        assertEquals(2, run.status());
        assertFalse(Files.exists(socket));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--backend=wire | --backend=wire is not tap:IFNAME, tap:fd=N, stream:PATH or loopback",
                "--backend=tap: | --backend=tap: is not tap:IFNAME, tap:fd=N, stream:PATH or loopback",
                "--backend=tap:fd=x | --backend=tap:fd=x: x is not a descriptor",
                "--backend=tap:fd=999999 | --backend: tap:fd=999999 is not an open tap with IFF_VNET_HDR: bad file"
                        + " descriptor",
                "--backend=tap:fd=1:2 --queue-pairs=3 | --queue-pairs=3 needs as many descriptors, not 2",
                "--backend=tap:a-name-too-long- | --backend: interface name a-name-too-long-: file name too long",
                "--backend=tap:fd=7:7 | --backend=tap:fd=7:7: descriptor 7 comes twice",
                "--backend=loopback --mac=52:54 | 52:54 is no MAC address such as 52:54:00:12:34:56",
                "--backend=loopback --mac=01:00:5e:00:00:01 | 01:00:5e:00:00:01 is a multicast address",
                "--backend=loopback --mac=00:00:00:00:00:00 | a MAC address of zeroes is none",
                "--backend=loopback --mtu=67 | MTU must be 68 to 65535",
                "--backend=loopback --mtu=65536 | MTU must be 68 to 65535",
                "--backend=loopback --mtu=-1 | MTU must be 68 to 65535",
                "--backend=loopback --queue-pairs=0 | queue pairs must be 1 to 16",
                "--backend=loopback --queue-pairs=17 | queue pairs must be 1 to 16",
                "--backend=stream:x --queue-pairs=2 | --queue-pairs=2: a stream has one",
                "--backend=loopback --queue-size=32 | queue size must be a power of two from 64 to 32768",
                "--backend=loopback --dump=/no/such/place | --dump=/no/such/place cannot be written to",
                "--backend=loopback --region-size=1M | --region-size=1048576 is too small: 3 queues need 3448832 bytes ="
                        + " page + page * sum over queues of (ring pages + entries * pages of a request), so at least"
                        + " 4194304",
            })
    void refusesWhatMakesNoSense(String options, String message) {
        refuses(message.trim(), options.trim().split(" "));
    }

    /** It may be the capture of the process that has the tap. */
    @Test
    void leavesACaptureAloneWhenItHasNoBackend() throws Exception {
        Path capture = Files.writeString(directory.resolve("capture"), "of somebody else");
        refuses(
                "--backend: tap:fd=999999 is not an open tap with IFF_VNET_HDR: bad file descriptor",
                "--backend=tap:fd=999999",
                "--dump=" + capture);
        assertEquals("of somebody else", Files.readString(capture));
    }

    @Test
    void closesItsBackendWhenItHasNoCapture() throws Exception {
        assumeTaps();
        String option = "--backend=tap:" + TAP;
        Path socket = directory.resolve("s");
        CommandLineRun run = CommandLineRun.of("net", "--socket-path=" + socket, option, "--dump=/no/such/place");
        List<String> said = run.errLines(); // that it made the tap, before
        assertEquals("virtio-backend net: --dump=/no/such/place cannot be written to", said.get(said.size() - 1));
        assertEquals(2, run.status());
        try (TapBackend other = TapBackend.open(TAP, 1)) {
            assertTrue(other.isLinkUp());
        }
    }

    @Test
    void refusesACommandWithoutABackend() {
        refuses("--backend is needed");
    }

    private static final String TAP = "vbc" + ProcessHandle.current().pid() % 1_000_000;

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    private static void assumeTaps() throws InterruptedException {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "taps can be opened here");
        assumeTrue(isRoot(), "as root");
        boolean made = FsUserTest.runs(List.of("/sbin/ip", "tuntap", "add", "dev", TAP, "mode", "tap"))
                && FsUserTest.runs(List.of("/sbin/ip", "link", "delete", TAP));
        assumeTrue(made, "taps can be made here");
    }

    @Test
    void refusesAnInterfaceThatIsNoTap() throws Exception {
        assumeTaps();
        refuses("--backend: lo is not a tap", "--backend=tap:lo");
    }

    @Test
    void refusesATapThatSomebodyElseUsesOrThatHasTooFewQueues() throws Exception {
        assumeTaps();
        try (TapBackend other = TapBackend.open(TAP, 1)) {
            assertTrue(other.isLinkUp());
            refuses("--backend: tap " + TAP + " is in use by another process", "--backend=tap:" + TAP);
            refuses(
                    "--backend: " + TAP + " is not a tap for several queues (ip tuntap add dev " + TAP
                            + " mode tap multi_queue)",
                    "--backend=tap:" + TAP,
                    "--queue-pairs=2");
        }
    }

    @Test
    void refusesADescriptorThatIsNoTap() throws Exception {
        Fd file = FileIo.open("/dev/null", FileIo.O_RDWR, 0);
        String option = "tap:fd=" + file.value();
        refuses(
                "--backend: " + option + " is not an open tap with IFF_VNET_HDR: inappropriate ioctl for device",
                "--backend=" + option);
        file.close();
    }

    /** Somebody who may not administer the network: root is not, without its capabilities. */
    private List<String> unprivileged(String... options) throws Exception {
        return unprivileged(List.of(), options);
    }

    /** @param within what to run it by, before its capabilities are taken away */
    private List<String> unprivileged(List<String> within, String... options) throws Exception {
        List<String> command = new ArrayList<>(within);
        if (isRoot()) {
            command.addAll(List.of("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--"));
        }
        List<String> trial = new ArrayList<>(command);
        trial.addAll(FsUserTest.readsProgram());
        assumeTrue(FsUserTest.runs(trial), "whoever that is can read the program");
        command.addAll(List.of(System.getProperty("java.home") + "/bin/java", "-XX:TieredStopAtLevel=1"));
        command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-cp")); // JDK 24 and later warn otherwise
        command.addAll(List.of(System.getProperty("java.class.path"), Main.class.getName(), "net"));
        command.add("--socket-path=" + directory.resolve("s"));
        command.addAll(List.of(options));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        List<String> lines =
                new String(process.getInputStream().readAllBytes()).lines().toList();
        assertEquals(2, process.waitFor(), lines.toString());
        return lines;
    }

    @Test
    void refusesAnInterfaceThatIsNotThereAndMayNotBeMade() throws Exception {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "taps can be opened here");
        assertEquals(
                List.of("virtio-backend net: --backend: no interface " + TAP + ", and no permission to create it"
                        + " (ip tuntap add dev " + TAP + " mode tap user NAME)"),
                unprivileged("--backend=tap:" + TAP));
    }

    @Test
    void refusesTapsWhereTheirDeviceMayNotBeOpened() throws Exception {
        assumeTrue(isRoot(), "as root");
        Path closed = Files.createFile(directory.resolve("tun"));
        Files.setPosixFilePermissions(closed, Set.of());
        String bind = "mount --bind '" + closed + "' /dev/net/tun && exec \"$@\"";
        assumeTrue(Files.exists(Path.of("/dev/net/tun")), "there is a /dev/net/tun");
        assumeTrue(
                FsUserTest.runs(List.of("unshare", "--mount", "sh", "-c", bind, "sh", "true")),
                "something can be mounted over it");
        assertEquals(
                List.of("virtio-backend net: --backend: no permission to open /dev/net/tun (chmod 666 /dev/net/tun)"),
                unprivileged(List.of("unshare", "--mount", "sh", "-c", bind, "sh"), "--backend=tap:" + TAP));
    }

    @Test
    void refusesATapOfAnotherUser() throws Exception {
        assumeTaps();
        assumeTrue(Files.isExecutable(Path.of("/sbin/ip")), "iproute2 is installed");
        ip("tuntap", "add", "dev", TAP, "mode", "tap", "user", "65534", "vnet_hdr");
        try {
            assertEquals(
                    List.of("virtio-backend net: --backend: tap " + TAP + " belongs to another user (ip tuntap add dev "
                            + TAP + " mode tap user NAME)"),
                    unprivileged("--backend=tap:" + TAP));
        } finally {
            ip("link", "delete", TAP);
        }
    }

    private static void ip(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("/sbin/ip"));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), command + ": " + said);
    }

    /** A stream whose peer is not there yet, comes, and goes. */
    @Test
    void linkFollowsThePeerOfAStream() throws Exception {
        Path socket = directory.resolve("net.sock");
        Path peer = directory.resolve("peer.sock");
        Path stats = directory.resolve("stats.json");
        List<String> arguments =
                List.of("net", "--socket-path=" + socket, "--backend=stream:" + peer, "--stats-file=" + stats);
        try (BackendProcess backend = BackendProcess.start(arguments)) {
            try (EmbeddedNic nic = EmbeddedNic.attach(socket.toString(), 64, 1514);
                    ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
                assertFalse(nic.isLinkUp());
                listener.bind(UnixDomainSocketAddress.of(peer));
                SocketChannel connected = listener.accept();
                awaitLink(nic, true);
                awaitCounters(stats, 1);
                // Nobody to connect to again until the link was seen to be down.
                Path away = Files.move(peer, directory.resolve("away.sock"));
                connected.close();
                awaitLink(nic, false);
                Files.move(away, peer);
                listener.accept().close();
            }
            assertEquals(0, backend.stop());
        }
    }

    /** The device of the only client, as the statistics show it. */
    private static void awaitCounters(Path stats, int linkUp) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        JsonNode device = null;
        while (device == null || device.path("linkUp").asInt(-1) != linkUp) {
            assertTrue(System.nanoTime() < deadline, "link " + linkUp + " in the statistics: " + device);
            device = new ObjectMapper().readTree(stats.toFile()).path("devices").path(0);
        }
        for (String name : List.of("filtered", "receiveDropped", "transmitDropped", "malformed")) {
            assertEquals(0, device.path(name).asInt(-1), name);
        }
    }

    private static void awaitLink(EmbeddedNic nic, boolean up) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(30);
        while (nic.isLinkUp() != up) {
            nic.publish(); // whoever sends finds out
            assertTrue(System.nanoTime() < deadline, "link " + up);
            Thread.onSpinWait();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"direct", "restricted"})
    void framesGoAroundTheLoopOverARealSocket(String policy) throws Exception {
        Path socket = directory.resolve("net.sock");
        Path dump = directory.resolve("frames.pcap");
        List<String> arguments = List.of(
                "net",
                "--socket-path=" + socket,
                "--backend=loopback",
                "--mac=52:54:00:01:02:03",
                "--dump=" + dump,
                "--dma-policy=" + policy);
        try (BackendProcess backend = BackendProcess.start(arguments)) {
            try (EmbeddedNic nic = EmbeddedNic.attach(socket.toString(), 64, 1514)) {
                assertEquals(3, nic.mac()[5]);
                assertEquals(policy.equals("restricted"), nic.isInRegion());
                NetBenchRun run = new NetBenchRun(nic, 1514, 32);
                run.run(TimeUnit.MILLISECONDS.toNanos(20));
                assertTrue(run.latencies().count() >= 32, run.latencies().count() + " frames");
            }
            assertEquals(0, backend.stop());
        }
        assertTrue(Files.size(dump) > 2 * 32 * 1514, "captured");
    }
}
