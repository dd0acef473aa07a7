package org.virtiobackend.virtio.device.worker;

/** What a running device tells its transport. Called by whoever serves a queue; must not block. */
public interface DeviceEvents {
    /** The driver wants to hear that buffers of this queue were used. */
    void usedBufferNotification(int queue);

    /** The device cannot go on: its queues have stopped or are stopping. Called once per activation. */
    void needsReset(Throwable cause);
}
