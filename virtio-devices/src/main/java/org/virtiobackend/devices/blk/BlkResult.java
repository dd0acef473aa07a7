package org.virtiobackend.devices.blk;

import org.slf4j.event.Level;

/**
 * How a request can end: the one table from outcome to status byte and log level. What a driver can cause is never
 * above DEBUG.
 */
enum BlkResult {
    OK(VirtioBlk.VIRTIO_BLK_S_OK, Level.TRACE, "done"),
    NO_STATUS_BYTE(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "no writable byte for the status"),
    SHORT_HEADER(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "header shorter than 16 bytes"),
    UNSUPPORTED_TYPE(VirtioBlk.VIRTIO_BLK_S_UNSUPP, Level.DEBUG, "request type not supported"),
    // virtio 1.4 5.2.6.2
    READ_ONLY(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "write to a read-only device"),
    UNALIGNED_LENGTH(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "data length not a multiple of 512"),
    BEYOND_CAPACITY(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "range beyond capacity"),
    BAD_RANGES(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "range list empty, too long or torn"),
    RANGE_TOO_LONG(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.DEBUG, "more sectors in a range than announced"),
    // virtio 1.4 5.2.6.2
    UNKNOWN_FLAG(VirtioBlk.VIRTIO_BLK_S_UNSUPP, Level.DEBUG, "unknown or forbidden flag in a range"),
    BACKEND_FAILED(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.WARN, "image failed"),
    /** Not an end: the storage has to be waited for. */
    WAIT(VirtioBlk.VIRTIO_BLK_S_IOERR, Level.TRACE, "waiting");

    private final int status;
    private final Level level;
    private final String text;

    BlkResult(int status, Level level, String text) {
        this.status = status;
        this.level = level;
        this.text = text;
    }

    /** VIRTIO_BLK_S_ constant. */
    int status() {
        return status;
    }

    Level level() {
        return level;
    }

    String text() {
        return text;
    }
}
