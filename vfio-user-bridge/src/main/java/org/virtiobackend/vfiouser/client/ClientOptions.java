package org.virtiobackend.vfiouser.client;

import org.virtiobackend.vfiouser.version.Capabilities;

/**
 * How a client behaves.
 *
 * @param timeoutMillis how long a command waits for its reply
 * @param capabilities what it says of itself
 * @param dmaTarget memory for DMA messages, which a thread then serves; null: such messages are refused
 * @param dmaLayout how it reads them
 */
public record ClientOptions(long timeoutMillis, Capabilities capabilities, DmaTarget dmaTarget, DmaLayout dmaLayout) {
    public static final ClientOptions DEFAULT =
            new ClientOptions(5_000, Capabilities.OURS, null, DmaLayout.SPECIFICATION);

    public ClientOptions withTimeoutMillis(long millis) {
        return new ClientOptions(millis, capabilities, dmaTarget, dmaLayout);
    }

    public ClientOptions withCapabilities(Capabilities newCapabilities) {
        return new ClientOptions(timeoutMillis, newCapabilities, dmaTarget, dmaLayout);
    }

    public ClientOptions withDmaTarget(DmaTarget target, DmaLayout layout) {
        return new ClientOptions(timeoutMillis, capabilities, target, layout);
    }
}
