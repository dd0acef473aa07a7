package org.virtiobackend.devices.net;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntConsumer;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.virtio.queue.ChainReader;

/** What a kernel does to the reader of a tap, as the test says. Sends nothing. */
final class ScatteringBackend implements NetBackend, NetChannel.Scattering {
    /** In place of a frame: it cannot be read. */
    static final byte[] LOST = {};

    private final Path directory;
    private final int receiveOffloads;
    private final Queue<byte[]> arriving = new ConcurrentLinkedQueue<>();
    private volatile IntConsumer receiveReady = channel -> {};
    private volatile Runnable listener = () -> {};
    private volatile boolean linkUp = true;
    /** Runs once, when somebody has looked at the link and not yet done anything about it. */
    private volatile Runnable afterLook = () -> {};

    /** @param directory for what arrives */
    ScatteringBackend(Path directory) {
        this(directory, Offload.CSUM);
    }

    ScatteringBackend(Path directory, int receiveOffloads) {
        this.directory = directory;
        this.receiveOffloads = receiveOffloads;
    }

    /** Headers and frames, all there before the device hears of them. */
    void arrive(byte[]... headersAndFrames) {
        arriving.addAll(List.of(headersAndFrames));
        receiveReady.accept(0);
    }

    void setLinkUp(boolean up) {
        linkUp = up;
        listener.run();
    }

    void afterLook(Runnable action) {
        afterLook = action;
    }

    @Override
    public boolean isLinkUp() {
        boolean up = linkUp;
        Runnable action = afterLook;
        afterLook = () -> {};
        action.run();
        return up;
    }

    @Override
    public long receive(IoVec iov) {
        byte[] next = arriving.poll();
        if (next == null) {
            return 0;
        }
        if (next == LOST) {
            return DROPPED;
        }
        try (Fd file = FileIo.open(Files.write(directory.resolve("frame"), next).toString(), FileIo.O_RDONLY, 0)) {
            return FileIo.readv(file, iov);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public boolean mayReceive() {
        return !arriving.isEmpty();
    }

    @Override
    public void start(IntConsumer newReceiveReady, IntConsumer transmitReady) {
        receiveReady = newReceiveReady;
    }

    @Override
    public void onLinkChange(Runnable newListener) {
        listener = newListener;
    }

    @Override
    public int receiveOffloads() {
        return receiveOffloads;
    }

    @Override
    public String description() {
        return "scattering";
    }

    @Override
    public int channels() {
        return 1;
    }

    @Override
    public NetChannel channel(int index) {
        return this;
    }

    @Override
    public int transmitOffloads() {
        return 0;
    }

    @Override
    public long speed() {
        return -1;
    }

    @Override
    public Fd readable() {
        return null;
    }

    @Override
    public Fd writable() {
        return null;
    }

    @Override
    public int transmit(VnetHeader header, ChainReader frame) {
        return DROPPED;
    }

    @Override
    public int transmit(Frame frame) {
        return DROPPED;
    }

    @Override
    public boolean flush() {
        return true;
    }

    @Override
    public void dropReceived() {
        arriving.clear();
    }

    @Override
    public void setReceiveOffloads(int offloads) {}

    @Override
    public void setActiveChannels(int count) {}

    @Override
    public void lookAfter() {}

    @Override
    public void stop() {}

    @Override
    public void close() {}
}
