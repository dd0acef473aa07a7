package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

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

    @Test
    void refusesACommandWithoutABackend() {
        refuses("--backend is needed");
    }

    @Test
    void refusesAnInterfaceThatIsNoTap() {
        assumeTrue(Files.isWritable(Path.of("/dev/net/tun")), "taps can be opened here");
        assumeTrue("root".equals(System.getProperty("user.name")), "as root");
        refuses("--backend: lo is not a tap", "--backend=tap:lo");
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
