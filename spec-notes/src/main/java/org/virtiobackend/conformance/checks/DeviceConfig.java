package org.virtiobackend.conformance.checks;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;

/** The device-specific configuration as bytes. */
final class DeviceConfig {
    private static final int LIMIT = 256;

    private DeviceConfig() {}

    /** All of it, at most 256 bytes; empty when the device has none. */
    static byte[] read(Bench bench) throws IOException {
        var structure = bench.structures().device();
        int length = structure == null ? 0 : (int) Math.min(structure.length(), LIMIT);
        byte[] bytes = new byte[length];
        int at = 0;
        for (; at + 4 <= length; at += 4) {
            long word = bench.registers().device(at, 4);
            for (int i = 0; i < 4; i++) {
                bytes[at + i] = (byte) (word >>> 8 * i);
            }
        }
        for (; at < length; at++) {
            bytes[at] = (byte) bench.registers().device(at, 1);
        }
        return bytes;
    }
}
