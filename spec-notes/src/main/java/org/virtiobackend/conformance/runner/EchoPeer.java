package org.virtiobackend.conformance.runner;

/** Nobody: the device's back end is a loop. */
public final class EchoPeer implements NetPeer {
    @Override
    public String description() {
        return "echo";
    }

    @Override
    public boolean isEcho() {
        return true;
    }

    @Override
    public boolean isConnected() {
        return true;
    }

    @Override
    public void send(Frame frame) {
        throw new UnsupportedOperationException("only the device can send into its loop");
    }

    @Override
    public Frame receive() {
        return null;
    }

    @Override
    public void close() {}
}
