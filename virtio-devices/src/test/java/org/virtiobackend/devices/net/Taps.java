package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.virtiobackend.devices.HostCommand;

/** Whether this user can make taps here: root in a container often cannot. */
public final class Taps {
    private static final boolean CAN_BE_MADE = probe();

    private Taps() {}

    public static void assumeTheyCanBeMade() {
        assumeTrue(CAN_BE_MADE, "taps can be made here, and iproute2 is installed");
    }

    private static boolean probe() {
        String name = "vbp" + ProcessHandle.current().pid() % 1_000_000;
        try {
            return Files.isWritable(Path.of("/dev/net/tun"))
                    && HostCommand.succeeds("/sbin/ip", "tuntap", "add", "dev", name, "mode", "tap")
                    && HostCommand.succeeds("/sbin/ip", "link", "delete", name);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
