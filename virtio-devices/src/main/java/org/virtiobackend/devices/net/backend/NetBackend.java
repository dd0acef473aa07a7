package org.virtiobackend.devices.net.backend;

import java.util.function.IntConsumer;
import org.virtiobackend.devices.net.packet.Offload;

/**
 * Where the frames of one device come from and go to. Channel n serves queue pair n. The device's control side calls all methods
 * here, one at a time, but for {@link #lookAfter}, {@link #isLinkUp} and {@link #setReceiveOffloads}, which any thread may call.
 */
public interface NetBackend extends AutoCloseable {
    /** For messages to people. */
    String description();

    /** Channels that can be used at the same time, at least 1. */
    int channels();

    NetChannel channel(int index);

    /** {@link Offload} bits that {@link NetChannel#transmit} takes care of. */
    int transmitOffloads();

    /** {@link Offload} bits that received frames can make use of. */
    int receiveOffloads();

    /** Says which offloads received frames may make use of from now on. */
    void setReceiveOffloads(int offloads);

    /** Says how many channels, from 0 on, are to get frames: 1 to {@link #channels}. */
    void setActiveChannels(int count);

    /**
     * A driver is there: frames that came before are dropped.
     *
     * @param receiveReady to be told of a channel that has frames, when no descriptor tells it
     * @param transmitReady to be told of a channel that has room again, when no descriptor tells it
     */
    void start(IntConsumer receiveReady, IntConsumer transmitReady);

    /** The driver is gone, no channel is in use. */
    void stop();

    boolean isLinkUp();

    /** Mbit/s, -1 when unknown. */
    long speed();

    /** Called when {@link #isLinkUp} has changed, from the thread that calls {@link #lookAfter} or a worker. */
    void onLinkChange(Runnable listener);

    /** Looks at the link and tries to bring it back; called once a second. */
    void lookAfter();

    @Override
    void close();
}
