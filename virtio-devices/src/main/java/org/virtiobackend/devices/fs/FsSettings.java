package org.virtiobackend.devices.fs;

import java.nio.charset.StandardCharsets;

/**
 * What a file system device looks like to its driver.
 *
 * @param tag name of the file system: 1 to 36 bytes of UTF-8 without a NUL
 * @param requestQueues 1 to 64
 * @param queueSize entries of a queue, a power of two from 8 to 32768
 * @param notifications what drivers that can hear it are told of changes by others
 */
public record FsSettings(String tag, int requestQueues, int queueSize, Notifications notifications) {
    /** Of which changes in the shared directory a driver is told. */
    public enum Notifications {
        /** Of none: there is no notification queue. */
        NONE,
        /** Of those by other processes. */
        OTHERS,
        /** Of all: other drivers work through this process, too. */
        ALL
    }

    /** Without notifications. */
    public FsSettings(String tag, int requestQueues, int queueSize) {
        this(tag, requestQueues, queueSize, Notifications.NONE);
    }

    /** Bytes of the tag field. */
    public static final int TAG_BYTES = 36;

    /** @throws IllegalArgumentException a value is out of range; the message is for people */
    public FsSettings {
        require(!tag.isEmpty(), "the tag is empty");
        int bytes = tag.getBytes(StandardCharsets.UTF_8).length;
        require(bytes <= TAG_BYTES, "the tag has " + bytes + " bytes, 36 is the most");
        require(tag.indexOf('\0') < 0, "the tag contains a NUL");
        require(requestQueues >= 1 && requestQueues <= 64, "queues must be 1 to 64");
        require(
                queueSize >= 8 && queueSize <= 32768 && Integer.bitCount(queueSize) == 1,
                "queue size must be a power of two from 8 to 32768");
    }

    /** Queues of the device, virtio 1.4 5.11.2. */
    public int queueCount() {
        return (notifies() ? 2 : 1) + requestQueues;
    }

    boolean notifies() {
        return notifications != Notifications.NONE;
    }

    byte[] tagBytes() {
        return tag.getBytes(StandardCharsets.UTF_8);
    }

    private static void require(boolean condition, String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}
