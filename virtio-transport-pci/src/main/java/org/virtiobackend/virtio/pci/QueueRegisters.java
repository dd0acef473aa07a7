package org.virtiobackend.virtio.pci;

import org.virtiobackend.virtio.queue.QueueConfig;

/**
 * What a driver sets up for one queue, until it enables it. Once enabled nothing changes any more but by a reset of the
 * queue or the device; a live queue takes an immutable {@link QueueConfig}.
 */
final class QueueRegisters {
    private static final int MAX_RING_SIZE = 32768;

    private final int index;
    private final int maxSize;
    private int size;
    private long desc;
    private long driver;
    private long device;
    private boolean enabled;
    private boolean resetting;
    private boolean wasReset;

    /** @param maxSize a power of two of at most 32768 */
    QueueRegisters(int index, int maxSize) {
        if (maxSize < 1 || maxSize > MAX_RING_SIZE || Integer.bitCount(maxSize) != 1) {
            throw new IllegalArgumentException("size " + maxSize + " of queue " + index);
        }
        this.index = index;
        this.maxSize = maxSize;
        reset();
    }

    int size() {
        return size;
    }

    long desc() {
        return desc;
    }

    long driver() {
        return driver;
    }

    long device() {
        return device;
    }

    boolean isEnabled() {
        return enabled;
    }

    /**
     * Whether the registers can be written: before the queue is enabled, and on a live device only after the queue was
     * reset.
     *
     * @param live DRIVER_OK is set
     */
    boolean isOpen(boolean live) {
        return !enabled && (!live || wasReset);
    }

    /**
     * Takes a size that the ring format allows and the device supports (virtio 1.4 4.1.4.3.1); otherwise the old one
     * stays.
     */
    void setSize(int newSize, boolean packed) {
        if (newSize >= 1 && newSize <= maxSize && (packed || Integer.bitCount(newSize) == 1)) {
            size = newSize;
        }
    }

    void setDesc(long address) {
        desc = address;
    }

    void setDriver(long address) {
        driver = address;
    }

    void setDevice(long address) {
        device = address;
    }

    void enable() {
        enabled = true;
    }

    /** A reset of the queue is under way: chains of it are still in work. */
    boolean isResetting() {
        return resetting;
    }

    void beginReset() {
        resetting = true;
    }

    QueueConfig config() {
        return new QueueConfig(index, size, desc, driver, device);
    }

    /** Back to the values at power-on. */
    void reset() {
        size = maxSize;
        desc = 0;
        driver = 0;
        device = 0;
        enabled = false;
        resetting = false;
        wasReset = false;
    }

    /** Virtqueue reset: like {@link #reset}, and the driver may set the queue up again (virtio 1.4 2.6.1.2.1). */
    void resetQueue() {
        reset();
        wasReset = true;
    }
}
