package org.virtiobackend.conformance.runner;

import java.io.IOException;

/**
 * The other end of a network device's link: sees what the device sends, and sends to it. Frames are whole Ethernet frames without
 * a check sequence. One thread, which never waits in here.
 */
public interface NetPeer extends AutoCloseable {
    /**
     * A frame.
     *
     * @param header first ten bytes of struct virtio_net_hdr, which say what is left undone; all 0 for a complete frame
     */
    record Frame(byte[] header, byte[] bytes) {
        public static final int HEADER_BYTES = 10;

        /** Nothing is left undone. */
        public static Frame complete(byte[] bytes) {
            return new Frame(new byte[HEADER_BYTES], bytes);
        }
    }

    /** What carries the frames does not know this kind. */
    final class CannotSendException extends IOException {
        private static final long serialVersionUID = 1;

        public CannotSendException(String message) {
            super(message);
        }
    }

    /** For reports. */
    String description();

    /**
     * Whether the link is a loop: what the device sends comes back to it, and that is the only way in. {@link #send} and {@link
     * #receive} are not used then.
     */
    default boolean isEcho() {
        return false;
    }

    /** Whether the other end can send and take frames that leave checksum and segmentation undone. */
    default boolean passesOffloads() {
        return isEcho();
    }

    /** Longest complete frame that {@link #send} takes, in bytes. */
    default int longestFrame() throws IOException {
        return Integer.MAX_VALUE;
    }

    /** Whether a device is there now. */
    boolean isConnected() throws IOException;

    /** Sends one frame; an {@link IOException} when it cannot be sent at once. */
    void send(Frame frame) throws IOException;

    /** The next frame that the device has sent, or null. */
    Frame receive() throws IOException;

    /** Drops every frame that has arrived. */
    default void clear() throws IOException {
        while (receive() != null) {
            // dropped
        }
    }

    @Override
    void close();
}
