package org.virtiobackend.virtio.device;

/**
 * A device model: what it offers, its configuration, and how its queues are served. Knows no transport.
 *
 * <p>Life: offered, then {@link #acceptFeatures} (perhaps several times), {@link #activate}, queue handlers run on workers,
 * {@link #reset}, and again. All methods here are called by the transport's control thread, one at a time; {@link #reset} only
 * after every handler has stopped and every chain is back. An instance serves one client.
 */
public interface VirtioDevice extends AutoCloseable {
    /** Device type, one of {@link org.virtiobackend.virtio.VirtioDeviceId}. */
    int deviceId();

    /** Feature bits of the device type that this device offers: bits 0-23 and 50-63 only. */
    long offeredFeatures();

    /**
     * Features among these that need one which is not: they are not offered either, when the operator takes something away (virtio 1.4
     * 2.2.2).
     */
    default long withoutNeeds(long features) {
        return 0;
    }

    /** Largest size of each queue, a power of two of at most 32768; the length is the number of queues. */
    int[] queueMaxSizes();

    /**
     * Judges a driver's choice, already a subset of what was offered.
     *
     * @param features all accepted bits, those of transport and queue included
     * @return false to refuse FEATURES_OK (virtio 1.4 2.2.2)
     */
    default boolean acceptFeatures(long features) {
        return true;
    }

    /** The device-specific configuration structure; the same object for the life of the device. */
    DeviceConfig config();

    /**
     * Starts serving: attach a handler to each queue that the driver enabled.
     *
     * @throws DeviceActivationException the device cannot work; it will need a reset
     */
    void activate(DeviceContext context) throws DeviceActivationException;

    /** Forgets everything since activation, back to the state before negotiation. */
    default void reset() {}

    /** Frees what the device owns; it is not used afterwards. */
    @Override
    default void close() {}
}
