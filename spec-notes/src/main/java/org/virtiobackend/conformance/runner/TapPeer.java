package org.virtiobackend.conformance.runner;

import java.io.IOException;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.NetInterface;
import org.virtiobackend.posix.PacketSocket;

/**
 * The host's side of a tap that is the device's back end: the kernel carries frames, also those that leave something undone, and
 * has some of its own to say. Needs CAP_NET_RAW.
 */
final class TapPeer implements NetPeer {
    private static final int MAX_FRAME = 1 << 17;
    private static final int ETHERNET_HEADER = 14;

    private final String name;
    private final NetInterface tap;
    private final PacketSocket socket;
    private final NativeBuffer memory = NativeBuffer.allocate(PacketSocket.HEADER_BYTES + MAX_FRAME);

    private TapPeer(String name, NetInterface tap, PacketSocket socket) {
        this.name = name;
        this.tap = tap;
        this.socket = socket;
    }

    static TapPeer open(String name) throws IOException {
        NetInterface tap = NetInterface.named(name);
        try {
            return new TapPeer(name, tap, PacketSocket.open(name));
        } catch (ErrnoException e) {
            tap.close();
            throw e;
        }
    }

    @Override
    public String description() {
        return "tap:" + name;
    }

    @Override
    public boolean passesOffloads() {
        return true;
    }

    @Override
    public int longestFrame() throws IOException {
        return tap.mtu() + ETHERNET_HEADER;
    }

    @Override
    public boolean isConnected() {
        return tap.isRunning();
    }

    @Override
    public void send(Frame frame) throws IOException {
        memory.buffer().put(0, frame.header(), 0, PacketSocket.HEADER_BYTES);
        memory.buffer().put(PacketSocket.HEADER_BYTES, frame.bytes());
        long done = socket.send(memory, PacketSocket.HEADER_BYTES + frame.bytes().length);
        if (done == -Errno.EINVAL) {
            throw new CannotSendException("the kernel does not send such a frame on " + name);
        }
        if (done < 0) {
            throw new IOException("send on " + name + ": " + Errno.text((int) -done));
        }
    }

    @Override
    public Frame receive() throws IOException {
        long done = socket.receive(memory);
        if (done < 0) {
            throw new IOException("receive on " + name + ": " + Errno.text((int) -done));
        }
        if (done < PacketSocket.HEADER_BYTES) {
            return null;
        }
        byte[] header = new byte[PacketSocket.HEADER_BYTES];
        memory.buffer().get(0, header);
        byte[] bytes = new byte[(int) done - PacketSocket.HEADER_BYTES];
        memory.buffer().get(PacketSocket.HEADER_BYTES, bytes);
        return new Frame(header, bytes);
    }

    @Override
    public void close() {
        socket.close();
        tap.close();
    }
}
