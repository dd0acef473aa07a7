package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.io.IOException;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.virtio.VirtioDeviceId;

/** The device-specific configuration as bytes. */
final class DeviceConfig {
    private static final int LIMIT = 256;

    /** Features of the block device with fields, the last fields first, and where those end. */
    private static final long[] BLK_FEATURES = {
        VIRTIO_BLK_F_ZONED,
        VIRTIO_BLK_F_SECURE_ERASE,
        VIRTIO_BLK_F_WRITE_ZEROES,
        VIRTIO_BLK_F_DISCARD,
        VIRTIO_BLK_F_MQ,
        VIRTIO_BLK_F_CONFIG_WCE,
        VIRTIO_BLK_F_TOPOLOGY,
        VIRTIO_BLK_F_BLK_SIZE,
        VIRTIO_BLK_F_GEOMETRY,
        VIRTIO_BLK_F_SEG_MAX,
        VIRTIO_BLK_F_SIZE_MAX
    };

    private static final int[] BLK_BYTES = {
        CONFIG_BYTES,
        CONFIG_ZONED,
        CONFIG_SECURE_ERASE,
        CONFIG_MAX_WRITE_ZEROES_SECTORS,
        CONFIG_MAX_DISCARD_SECTORS,
        CONFIG_NUM_QUEUES,
        CONFIG_WRITEBACK,
        CONFIG_PHYSICAL_BLOCK_EXP,
        CONFIG_BLK_SIZE,
        CONFIG_GEOMETRY,
        CONFIG_SEG_MAX
    };

    private DeviceConfig() {}

    /** All of it, at most 256 bytes; empty when the device has none. */
    static byte[] read(Bench bench) throws IOException {
        var structure = bench.structures().device();
        int length = structure == null ? 0 : (int) Math.min(structure.length(), fieldBytes(bench));
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

    /** Up to the last field of a feature that is offered: no driver reads beyond (virtio 1.4 5.2.4). */
    private static int fieldBytes(Bench bench) throws IOException {
        if (bench.driver().deviceId() != VirtioDeviceId.BLOCK) {
            return LIMIT;
        }
        long offered = bench.driver().offeredFeatures();
        for (int i = 0; i < BLK_FEATURES.length; i++) {
            if ((offered & BLK_FEATURES[i]) != 0) {
                return BLK_BYTES[i];
            }
        }
        return CONFIG_SIZE_MAX;
    }
}
