package org.virtiobackend.devices.net.backend;

import java.util.function.IntConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.UnixSocket;

/**
 * A UNIX stream socket with a length before each frame, as QEMU's {@code -netdev stream} and {@code passt} speak it. Connects to a
 * server; while there is none the link is down, and it is tried again once a second. Frames are complete: whatever a driver leaves
 * undone is done before.
 */
public final class StreamBackend implements NetBackend {
    private static final Logger LOG = LoggerFactory.getLogger(StreamBackend.class);

    private final String path;
    private final StreamChannel channel = new StreamChannel(this);
    private StreamConnection connection;
    private String lastTrouble = "";
    private volatile boolean linkUp;
    private volatile Runnable listener = () -> {};

    /** Connects if somebody listens on {@code path}. */
    public StreamBackend(String path) {
        this.path = path;
        lookAfter();
    }

    @Override
    public String description() {
        return "stream " + path;
    }

    @Override
    public int channels() {
        return 1;
    }

    @Override
    public NetChannel channel(int index) {
        return channel;
    }

    @Override
    public int transmitOffloads() {
        return 0;
    }

    @Override
    public int receiveOffloads() {
        return 0;
    }

    @Override
    public void setReceiveOffloads(int offloads) {}

    @Override
    public void setActiveChannels(int count) {}

    @Override
    public void start(IntConsumer receiveReady, IntConsumer transmitReady) {
        channel.dropReceived();
    }

    @Override
    public void stop() {}

    @Override
    public boolean isLinkUp() {
        return linkUp;
    }

    @Override
    public long speed() {
        return -1;
    }

    @Override
    public void onLinkChange(Runnable newListener) {
        listener = newListener;
    }

    @Override
    public void lookAfter() {
        if (linkUp) {
            return;
        }
        try {
            connected(new StreamConnection(UnixSocket.connectNonBlocking(path)));
        } catch (ErrnoException e) {
            // once for each kind of trouble, not once a second
            if (!lastTrouble.equals(e.getMessage())) {
                lastTrouble = e.getMessage();
                LOG.warn("{}; the link is down until somebody listens there", e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        channel.close();
        synchronized (this) {
            if (connection != null) {
                connection.release();
                connection = null;
            }
        }
    }

    /** The present connection for a user that lets go with {@link #release}, or null. */
    synchronized StreamConnection acquire() {
        if (connection != null) {
            connection.retain();
        }
        return connection;
    }

    synchronized void release(StreamConnection used) {
        if (used != null) {
            used.release();
        }
    }

    /** Whether this is what {@link #acquire} would give; null for no connection. */
    boolean isCurrent(StreamConnection used) {
        return used == null ? !linkUp : used.isCurrent();
    }

    /** A user has found the connection broken. */
    void lost(StreamConnection broken, String why) {
        synchronized (this) {
            if (connection != broken || broken == null) {
                return;
            }
            broken.retire();
            UnixSocket.adopt(broken.fd()).shutdown(); // the peer hears of it before the last user here has let go
            connection.release();
            connection = null;
            linkUp = false;
            lastTrouble = "";
        }
        LOG.info("{}: link down: {}", description(), why);
        listener.run();
    }

    private void connected(StreamConnection made) {
        synchronized (this) {
            connection = made;
            lastTrouble = "";
            linkUp = true;
        }
        LOG.info("{}: link up", description());
        listener.run();
    }
}
