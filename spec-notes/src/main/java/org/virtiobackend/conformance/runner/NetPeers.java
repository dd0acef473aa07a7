package org.virtiobackend.conformance.runner;

import java.io.IOException;

/** Peers by their names on the command line. */
public final class NetPeers {
    private static final String STREAM = "stream:";
    private static final String TAP = "tap:";

    private NetPeers() {}

    /**
     * Opens a peer; the caller closes it.
     *
     * @param text {@code echo}, {@code stream:PATH} or {@code tap:INTERFACE}
     * @throws IllegalArgumentException there is no such peer
     */
    public static NetPeer open(String text) throws IOException {
        if (text.equals("echo")) {
            return new EchoPeer();
        }
        if (text.startsWith(STREAM) && text.length() > STREAM.length()) {
            return StreamPeer.open(text.substring(STREAM.length()));
        }
        if (text.startsWith(TAP) && text.length() > TAP.length()) {
            return TapPeer.open(text.substring(TAP.length()));
        }
        throw new IllegalArgumentException("a peer is echo, stream:PATH or tap:INTERFACE");
    }
}
