package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.ChainReader;
import org.virtiobackend.virtio.queue.DescriptorChain;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Serves one transmit queue (virtio 1.4 5.1.9.2). The header is copied out and checked; the frame goes from the driver's memory to
 * the backend. While the backend has no room, no chain is taken.
 */
final class TransmitHandler implements QueueHandler {
    /** Bytes of frames after which others have a turn, and the driver hears of what was sent: Linux sends few large ones ahead of that. */
    private static final long BATCH_BYTES = 1 << 16;

    private final VirtioNetDevice device;
    private final int pair;
    private final NetChannel channel;
    private final WakeUp wakeUp;
    private final int headerBytes;
    private final TransmitRules rules;
    private final VnetHeader header = new VnetHeader();
    private final int backendOffloads;
    private final Frame whole = new Frame();
    private final Frame piece = new Frame();
    /** What the backend leaves to us; null until it does. */
    private Segmenter segmenter;

    private ByteBuffer gathered;
    /** A piece of an earlier frame is still to be sent. */
    private boolean pieceWaits;

    private boolean blocked;
    /** Sent in this batch. */
    private long batchBytes;

    TransmitHandler(VirtioNetDevice device, int pair, NetChannel channel, WakeUp wakeUp) {
        this.device = device;
        this.pair = pair;
        this.channel = channel;
        this.wakeUp = wakeUp;
        this.headerBytes = device.headerBytes();
        this.backendOffloads = device.backendTransmitOffloads();
        this.rules = new TransmitRules(NetFeatures.transmitOffloads(device.features()));
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        int taken = 0;
        batchBytes = 0;
        blocked = false;
        wakeUp.disarm();
        if (pieceWaits) {
            sendPieces();
        }
        while (taken < budget && batchBytes < BATCH_BYTES && !blocked) {
            DescriptorChain chain = queue.poll();
            if (chain == null) {
                break;
            }
            if (send(chain)) {
                chain.complete(0);
                taken++;
            } else {
                queue.unpoll(chain);
                blocked = true;
            }
        }
        if (!channel.flush() || blocked) {
            waitForRoom();
        }
        if (pieceWaits && !blocked) {
            device.wakeTransmitter(pair); // whoever serves the queue now
            taken++;
        }
        return taken;
    }

    @Override
    public boolean wantsKicks() {
        return !blocked;
    }

    /** No backend waits; a capture waits for its disk. */
    @Override
    public boolean isPrompt() {
        return device.dump() == null;
    }

    /** The frames are sent; what is left to the driver is to free them. */
    @Override
    public boolean mayNotifyLate() {
        return true;
    }

    @Override
    public long longestNapNanos() {
        return VirtioNetDevice.LONGEST_NAP_NANOS;
    }

    private void waitForRoom() {
        Fd fd = channel.writable();
        if (fd != null) {
            wakeUp.arm(fd, WakeUp.WRITABLE);
        }
    }

    /** False when the backend has no room for it. */
    private boolean send(DescriptorChain chain) {
        ChainReader frame = chain.readable();
        if (frame.remaining() < headerBytes) {
            device.counters().countMalformed();
            return true;
        }
        long first = frame.getU64();
        header.set(first, frame.getU16());
        frame.skip(headerBytes - frame.position());
        long length = frame.remaining();
        if (length < Ethernet.HEADER_BYTES || length > Ethernet.MAX_FRAME_BYTES || !rules.admit(header, (int) length)) {
            device.counters().countMalformed();
            return true;
        }
        if (!Offload.allows(backendOffloads, header.undone())) {
            dump(frame, (int) length);
            segment(frame, (int) length);
            return true;
        }
        boolean taken = isTaken(channel.transmit(header, frame));
        if (taken) {
            batchBytes += length;
            dump(frame, (int) length);
        }
        return taken;
    }

    private void dump(ChainReader frame, int length) {
        if (device.dump() != null) {
            device.dump()
                    .write(
                            length,
                            (record, at) -> SegmentCopy.copyOut(frame.segments(), headerBytes, record, at, length));
        }
    }

    /** Takes the frame, and sends of it what the backend has room for. */
    private void segment(ChainReader frame, int length) {
        if (segmenter == null) {
            segmenter = new Segmenter();
            gathered = ByteBuffer.allocateDirect(Ethernet.MAX_FRAME_BYTES);
        }
        frame.get(gathered, 0, length);
        whole.set(gathered, 0, length);
        whole.header().set(header);
        if (!segmenter.begin(whole)) {
            device.counters().countMalformed();
            batchBytes += length;
        } else if (segmenter.next(piece)) {
            sendPieces();
        }
    }

    /** Sends pieces until there is no room, the batch is full, or none is left; without one of them the others are of no use. */
    private void sendPieces() {
        do {
            int result = channel.transmit(piece);
            blocked = !isTaken(result);
            pieceWaits = blocked || result != NetChannel.DROPPED && segmenter.next(piece);
            batchBytes += blocked ? 0 : piece.length();
        } while (pieceWaits && !blocked && batchBytes < BATCH_BYTES);
    }

    private boolean isTaken(int result) {
        if (result == NetChannel.DROPPED) {
            device.counters().countTransmitDropped();
        }
        return result != NetChannel.WOULD_BLOCK;
    }
}
