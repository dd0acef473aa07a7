package org.virtiobackend.virtio.device.worker;

/** Counters of one queue. Written by whose turn it is; others may read slightly old values. They survive a reset. */
public final class QueueStatistics {
    long requests;
    long bytesRead;
    long bytesWritten;
    long notifications;
    long kicks;

    /** Chains returned to the driver. */
    public long requests() {
        return requests;
    }

    /** Bytes of device-readable buffers in those chains. */
    public long bytesRead() {
        return bytesRead;
    }

    /** Bytes that the device wrote into those chains. */
    public long bytesWritten() {
        return bytesWritten;
    }

    /** Used buffer notifications sent. */
    public long notifications() {
        return notifications;
    }

    /** Available buffer notifications received. */
    public long kicks() {
        return kicks;
    }
}
