package org.virtiobackend.devices.net.backend;

import java.util.function.IntConsumer;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.virtio.queue.ChainReader;

/** A cable whose end is plugged in beside its beginning: what is sent on a channel is received on the same channel. */
public final class LoopbackBackend implements NetBackend {
    private static final int RING_BYTES = 1 << 20;

    private final Loop[] loops;
    private final int transmitOffloads;
    private final int receiveOffloads;
    private volatile IntConsumer receiveReady = channel -> {};
    private volatile IntConsumer transmitReady = channel -> {};
    private volatile Runnable listener = () -> {};
    private volatile boolean linkUp = true;

    /** Offloads go around the loop as they are, for a driver that copes with them. */
    public LoopbackBackend(int channels) {
        this(channels, Segmenter.OFFLOADS, Segmenter.OFFLOADS);
    }

    /**
     * Offloads as {@link org.virtiobackend.devices.net.packet.Offload} bits.
     *
     * @param transmitOffloads what frames may leave undone on the way in
     * @param receiveOffloads what they may leave undone on the way out
     */
    public LoopbackBackend(int channels, int transmitOffloads, int receiveOffloads) {
        this.transmitOffloads = transmitOffloads;
        this.receiveOffloads = receiveOffloads;
        this.loops = new Loop[channels];
        for (int i = 0; i < channels; i++) {
            loops[i] = new Loop(i);
        }
    }

    @Override
    public String description() {
        return "loopback";
    }

    @Override
    public int channels() {
        return loops.length;
    }

    @Override
    public NetChannel channel(int index) {
        return loops[index];
    }

    @Override
    public int transmitOffloads() {
        return transmitOffloads;
    }

    @Override
    public int receiveOffloads() {
        return receiveOffloads;
    }

    @Override
    public void setReceiveOffloads(int offloads) {}

    @Override
    public void setActiveChannels(int count) {}

    @Override
    public void start(IntConsumer newReceiveReady, IntConsumer newTransmitReady) {
        for (Loop loop : loops) {
            loop.ring.clear();
        }
        receiveReady = newReceiveReady;
        transmitReady = newTransmitReady;
    }

    @Override
    public void stop() {
        receiveReady = channel -> {};
        transmitReady = channel -> {};
    }

    @Override
    public boolean isLinkUp() {
        return linkUp;
    }

    /** Pulls the cable out or plugs it in; frames that are under way stay. */
    public void setLinkUp(boolean up) {
        linkUp = up;
        listener.run();
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
    public void lookAfter() {}

    @Override
    public void close() {}

    private final class Loop implements NetChannel.Buffered {
        private final int index;
        private final FrameRing ring = new FrameRing(RING_BYTES);
        private volatile boolean senderWaits;
        /** Frames are there of which the receiver has not heard; the sender's. */
        private boolean sent;

        Loop(int index) {
            this.index = index;
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
            if (!linkUp) {
                return DROPPED;
            }
            boolean taken = ring.offer(header, frame);
            if (!taken) {
                senderWaits = true; // and look again, as the receiver may have made room just before
                taken = ring.offer(header, frame);
            }
            return result(taken);
        }

        @Override
        public int transmit(Frame frame) {
            if (!linkUp) {
                return DROPPED;
            }
            boolean taken = ring.offer(frame);
            if (!taken) {
                senderWaits = true;
                taken = ring.offer(frame);
            }
            return result(taken);
        }

        private int result(boolean taken) {
            sent |= taken;
            return taken ? 0 : WOULD_BLOCK;
        }

        @Override
        public boolean flush() {
            if (sent) {
                sent = false;
                receiveReady.accept(index);
            }
            return true;
        }

        @Override
        public Frame peek() {
            return ring.peek();
        }

        @Override
        public void dropReceived() {
            ring.clear();
            wakeSender();
        }

        @Override
        public void consume() {
            ring.consume();
            wakeSender();
        }

        private void wakeSender() {
            if (senderWaits) {
                senderWaits = false;
                transmitReady.accept(index);
            }
        }
    }
}
