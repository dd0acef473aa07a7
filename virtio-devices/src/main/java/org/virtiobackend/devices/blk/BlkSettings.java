package org.virtiobackend.devices.blk;

import java.nio.charset.StandardCharsets;

/**
 * What the operator chose for one block device.
 *
 * @param serial the device ID string: printable ASCII, at most 20 characters
 * @param readOnly whatever the driver negotiates, nothing is written
 * @param blockBytes logical block size to announce: 512 or 4096
 * @param queues 1 to 64
 * @param queueSize entries of each queue, a power of two from 4 to 32768
 * @param writeThrough every write is durable before it completes, unless the driver asks for a writeback cache
 */
public record BlkSettings(
        String serial, boolean readOnly, int blockBytes, int queues, int queueSize, boolean writeThrough) {
    public static final int MAX_QUEUES = 64;
    public static final int MIN_QUEUE_SIZE = 4;
    public static final int MAX_QUEUE_SIZE = 32768;

    /** @throws IllegalArgumentException a value is out of range; the message is for people */
    public BlkSettings {
        require(
                serial.length() <= VirtioBlk.ID_BYTES && serial.chars().allMatch(c -> c >= ' ' && c < 127),
                "serial must be at most 20 printable ASCII characters");
        require(blockBytes == 512 || blockBytes == 4096, "block size must be 512 or 4096");
        require(queues >= 1 && queues <= MAX_QUEUES, "queues must be 1 to 64");
        require(
                queueSize >= MIN_QUEUE_SIZE && queueSize <= MAX_QUEUE_SIZE && Integer.bitCount(queueSize) == 1,
                "queue size must be a power of two from 4 to 32768");
    }

    /** A writable disk with one queue and a writeback cache. */
    public static BlkSettings defaults() {
        return new BlkSettings("virtio-backend", false, VirtioBlk.SECTOR_BYTES, 1, 256, false);
    }

    byte[] serialBytes() {
        return java.util.Arrays.copyOf(serial.getBytes(StandardCharsets.US_ASCII), VirtioBlk.ID_BYTES);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
