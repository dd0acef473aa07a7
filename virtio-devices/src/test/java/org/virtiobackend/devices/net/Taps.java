package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Whether this user can make taps here: root in a container often cannot. */
public final class Taps {
    private static final boolean CAN_BE_MADE = probe();

    private Taps() {}

    public static void assumeTheyCanBeMade() {
        assumeTrue(CAN_BE_MADE, "taps can be made here, and iproute2 is installed");
    }

    private static boolean probe() {
        String name = "vbp" + ProcessHandle.current().pid() % 1_000_000;
        return Files.isWritable(Path.of("/dev/net/tun"))
                && ip("tuntap", "add", "dev", name, "mode", "tap")
                && ip("link", "delete", name);
    }

    private static boolean ip(String... arguments) {
        List<String> command = new ArrayList<>(List.of("/sbin/ip"));
        command.addAll(List.of(arguments));
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
