package org.virtiobackend.cli;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.virtiobackend.devices.net.MacAddress;
import org.virtiobackend.devices.net.NetSettings;
import org.virtiobackend.devices.net.VirtioNet;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.backend.NetBackendException;
import org.virtiobackend.devices.net.backend.StreamBackend;
import org.virtiobackend.devices.net.backend.TapBackend;
import org.virtiobackend.devices.net.packet.PcapFile;
import org.virtiobackend.virtio.FeatureNames;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Serves a network interface. */
@Command(
        name = "net",
        description = "Serves a network link as a virtio network device.",
        mixinStandardHelpOptions = true,
        sortOptions = false)
public final class NetCommand extends ServingCommand {
    /** They cost a look at each frame, and a copy of those that arrive at another queue: a tap steers by itself. */
    private static final long ON_REQUEST = VirtioNet.VIRTIO_NET_F_RSS | VirtioNet.VIRTIO_NET_F_HASH_REPORT;

    private static final String TAP = "tap:";
    private static final String TAP_FD = "tap:fd=";
    private static final String STREAM = "stream:";
    private static final String LOOPBACK = "loopback";
    private static final String CAPABILITIES = "{\"type\": \"net\", \"features\": [\"tap\", \"stream\", \"loopback\"]}";

    @Option(
            names = "--backend",
            paramLabel = "WHERE",
            description = "tap:IFNAME (made if it does not exist), tap:fd=N[:N...] (inherited descriptors of one tap,"
                    + " perhaps of another network namespace), stream:PATH (UNIX socket of a server such as passt) or"
                    + " loopback (what is sent comes back)")
    private String backend;

    @Option(names = "--mac", paramLabel = "MAC", description = "address of the device (default: a random one)")
    private String mac;

    @Option(
            names = "--mtu",
            paramLabel = "N",
            defaultValue = "0",
            description = "largest MTU that the driver may use, 68 to 65535 (default: not said)")
    private int mtu;

    @Option(
            names = "--queue-pairs",
            paramLabel = "N",
            description = "receive and transmit queues, 1 to 16 (default: 1, or one for each descriptor)")
    private Integer queuePairs;

    @Option(
            names = "--queue-size",
            paramLabel = "N",
            defaultValue = "256",
            description = "entries of a queue (default: 256)")
    private int queueSize;

    @Option(names = "--dump", paramLabel = "FILE", description = "capture all frames there, as pcap")
    private Path dump;

    @Override
    String capabilities() {
        return CAPABILITIES;
    }

    @Override
    Service service() throws BadInputException, IOException {
        List<Integer> descriptors = descriptors();
        int pairs = queuePairs != null ? queuePairs : Math.max(1, descriptors.size());
        NetSettings settings = settings(pairs);
        int[] queueSizes = new int[2 * pairs + 1];
        Arrays.fill(queueSizes, queueSize);
        queueSizes[2 * pairs] = NetSettings.CONTROL_QUEUE_SIZE;
        serveOptions.setPagesPerRequest(NetSettings.pagesPerRequest(pairs));
        serveOptions.check(queueSizes, FeatureNames.of(VirtioNet.class, "VIRTIO_NET_F_"), ON_REQUEST);
        NetBackend link = open(descriptors, pairs);
        try { // only now: whoever else has the link may be writing this very capture
            return new Service(new NetExport(link, settings, openDump()), serveOptions, pairs);
        } catch (BadInputException e) {
            link.close();
            throw e;
        }
    }

    private PcapFile openDump() throws BadInputException {
        try {
            return dump == null ? null : PcapFile.create(dump);
        } catch (IOException e) {
            throw new BadInputException("--dump=" + dump + " cannot be written to");
        }
    }

    private NetSettings settings(int pairs) throws BadInputException {
        try {
            long address = mac == null ? MacAddress.random() : MacAddress.parse(mac);
            return new NetSettings(address, mtu, pairs, queueSize);
        } catch (IllegalArgumentException e) {
            throw new BadInputException(e.getMessage());
        }
    }

    private NetBackend open(List<Integer> descriptors, int pairs) throws BadInputException {
        try {
            if (!descriptors.isEmpty()) {
                if (descriptors.size() != pairs) {
                    throw new BadInputException(
                            "--queue-pairs=" + pairs + " needs as many descriptors, not " + descriptors.size());
                }
                return TapBackend.adopt(descriptors);
            }
            if (backend.startsWith(TAP) && backend.length() > TAP.length()) {
                return TapBackend.open(backend.substring(TAP.length()), pairs);
            }
            if (backend.startsWith(STREAM) && backend.length() > STREAM.length()) {
                if (pairs > 1) {
                    throw new BadInputException("--queue-pairs=" + pairs + ": a stream has one");
                }
                return new StreamBackend(backend.substring(STREAM.length()));
            }
            if (backend.equals(LOOPBACK)) {
                return new LoopbackBackend(pairs);
            }
            throw new BadInputException(
                    "--backend=" + backend + " is not tap:IFNAME, tap:fd=N, stream:PATH or loopback");
        } catch (NetBackendException e) {
            throw new BadInputException("--backend: " + e.getMessage());
        }
    }

    private List<Integer> descriptors() throws BadInputException {
        if (backend == null) {
            throw new BadInputException("--backend is needed");
        }
        List<Integer> found = new ArrayList<>();
        if (backend.startsWith(TAP_FD)) {
            for (String number : backend.substring(TAP_FD.length()).split(":", -1)) {
                if (!number.matches("\\d{1,6}")) {
                    throw new BadInputException("--backend=" + backend + ": " + number + " is not a descriptor");
                }
                int descriptor = Integer.parseInt(number);
                if (found.contains(descriptor)) {
                    throw new BadInputException("--backend=" + backend + ": descriptor " + number + " comes twice");
                }
                found.add(descriptor);
            }
        }
        return found;
    }
}
