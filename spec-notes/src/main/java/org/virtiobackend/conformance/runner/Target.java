package org.virtiobackend.conformance.runner;

/**
 * The device under test.
 *
 * @param socketPath where its server listens
 * @param timeoutMillis how long anything may take that has to happen
 * @param quietMillis how long to look for what must not happen
 * @param changer makes it change its configuration, or null
 * @param peer the other end of a network device's link, or null; stays the caller's
 */
public record Target(String socketPath, long timeoutMillis, long quietMillis, ConfigChanger changer, NetPeer peer) {
    public static final long TIMEOUT_MILLIS = 3_000;
    public static final long QUIET_MILLIS = 10;

    /** A device without a peer. */
    public Target(String socketPath, long timeoutMillis, long quietMillis, ConfigChanger changer) {
        this(socketPath, timeoutMillis, quietMillis, changer, null);
    }

    public static Target of(String socketPath) {
        return new Target(socketPath, TIMEOUT_MILLIS, QUIET_MILLIS, null);
    }
}
