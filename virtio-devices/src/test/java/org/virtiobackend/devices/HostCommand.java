package org.virtiobackend.devices;

import java.io.IOException;

/** Programs of the host that a test needs, or may do without. */
public final class HostCommand {
    private HostCommand() {}

    /** Runs a program to its end; false when it fails or is not there. What it says is lost. */
    public static boolean succeeds(String... command) throws InterruptedException {
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
