package org.virtiobackend.vfiouser.client;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.vfiouser.server.FakeFunction;
import org.virtiobackend.vfiouser.server.SessionListener;
import org.virtiobackend.vfiouser.server.VfioUserServer;

/**
 * Measures the round trip of a configuration read over a real socket. Arguments: {@code serve PATH} runs a server until its input
 * ends, {@code read PATH} measures against one, nothing does both in one process.
 */
public final class RegisterLatency {
    private static final int WARM_UP = 100_000;
    private static final int SAMPLES = 200_000;

    private RegisterLatency() {}

    public static void main(String[] args) throws Exception {
        if (args.length == 2 && args[0].equals("read")) {
            measure(args[1]);
            return;
        }
        Path directory = Files.createTempDirectory("latency");
        String path = args.length == 2 ? args[1] : directory.resolve("socket").toString();
        VfioUserServer server = VfioUserServer.listen(path, FakeFunction::new, SessionListener.LOGGING);
        if (args.length == 2) {
            System.in.readAllBytes();
        } else {
            measure(path);
        }
        server.close();
        Files.delete(directory);
    }

    private static void measure(String path) throws Exception {
        try (VfioUserClient client = VfioUserClient.connect(path)) {
            run(client, WARM_UP);
            long[] nanos = run(client, SAMPLES);
            Arrays.sort(nanos);
            System.out.printf(
                    "config read round trip, us: p50 %.1f p90 %.1f p99 %.1f p99.9 %.1f mean %.1f%n",
                    nanos[SAMPLES / 2] / 1e3,
                    nanos[SAMPLES * 9 / 10] / 1e3,
                    nanos[SAMPLES / 100 * 99] / 1e3,
                    nanos[SAMPLES / 1000 * 999] / 1e3,
                    Arrays.stream(nanos).average().orElseThrow() / 1e3);
        }
    }

    private static long[] run(VfioUserClient client, int count) throws Exception {
        long[] nanos = new long[count];
        for (int i = 0; i < count; i++) {
            long start = System.nanoTime();
            client.regionRead(PciFunction.CONFIG_REGION, 0, 4);
            nanos[i] = System.nanoTime() - start;
        }
        return nanos;
    }
}
