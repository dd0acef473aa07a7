package org.virtiobackend.devices.net;

import org.virtiobackend.devices.net.backend.FrameRing;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.packet.Ethernet;
import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.Offload;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.device.QueueHandler;
import org.virtiobackend.virtio.device.WakeUp;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Serves one receive queue (virtio 1.4 5.1.9.4). A frame is read straight into the first buffers of the queue, as many as recent
 * frames needed, and private memory behind them for what does not fit. A frame for which the driver has too few buffers waits in
 * private memory; then nothing more is read, so that the kernel's queue fills up instead.
 */
final class ReceiveHandler implements QueueHandler {
    private static final int TAIL_AT = ReceiveMemory.TAIL_AT;
    /** Room for frames like this is made only when there is one. */
    private static final int LARGE_FRAME = 16384;
    /** Bytes of frames after which the driver hears of them. */
    private static final long BATCH_BYTES = 1 << 16;

    private final VirtioNetDevice device;
    private final int pair;
    private final NetChannel channel;
    private final int longestPlain;
    private final WakeUp wakeUp;
    private final SteeringRings steering;
    private final Handover handover;
    private final ReceiveWindow window;
    private final FrameDelivery delivery;
    private final FrameClassifier classifier = new FrameClassifier();
    private final IoVec iov;
    private final NativeBuffer privateMemory;
    private final Frame waiting = new Frame();
    private boolean isWaiting;
    private boolean starved = true;
    /** For frames that leave undone what the driver does not cope with, or are too large for it; null until there is one. */
    private Segmenter segmenter;

    private final Frame piece = new Frame();
    /** The frame that waits has been cut, and pieces of it have been delivered: this one is next. */
    private boolean pieceWaits;

    private ReceiveRules rules;

    ReceiveHandler(VirtioNetDevice device, int pair, NetChannel channel, WakeUp wakeUp) {
        this.device = device;
        this.pair = pair;
        this.channel = channel;
        this.wakeUp = wakeUp;
        this.longestPlain = device.longestPlainFrame();
        this.steering = device.steering();
        this.handover = new Handover(device, pair);
        this.window = new ReceiveWindow(device.headerBytes(), device.counters());
        this.delivery = new FrameDelivery(device, window);
        this.iov = device.receiveMemory(pair).iov();
        this.privateMemory = device.receiveMemory(pair).frame();
    }

    @Override
    public int drain(Virtqueue queue, int budget) throws VirtqueueException {
        rules = device.receiveRules();
        starved = false;
        wakeUp.disarm();
        if (pair >= rules.pairs()) {
            dropAll();
            return 0; // virtio 1.4 5.1.9.5.6.2
        }
        window.begin(budget);
        try {
            return serve(queue, budget) + window.skipped();
        } finally {
            window.giveBack(queue);
            handover.wakeOthers();
        }
    }

    private int serve(Virtqueue queue, int budget) throws VirtqueueException {
        if (isWaiting && !deliverWaiting(queue) && !dropWaiting()) {
            return 0;
        }
        delivery.beginBatch();
        int frames = receiveSteered(queue, budget);
        if (frames == budget || starved && !rules.steer()) {
            return frames;
        }
        return frames
                + (channel instanceof NetChannel.Scattering scattering
                        ? receiveInto(scattering, queue, budget - frames)
                        : receiveFrom((NetChannel.Buffered) channel, queue, budget - frames));
    }

    @Override
    public boolean wantsKicks() {
        return starved;
    }

    @Override
    public boolean needsMore() {
        return starved;
    }

    @Override
    public long longestNapNanos() {
        return VirtioNetDevice.LONGEST_NAP_NANOS;
    }

    /** virtio 1.4 5.1.9.5.6.2 and 5.1.9.5.7.3: what arrived while the queue was being reset is dropped. */
    @Override
    public void restarted() {
        dropAll();
        channel.dropReceived();
    }

    /** Frames that were on their way to this queue when it went out of use would be old when it is used again. */
    private void dropAll() {
        if (isWaiting) {
            isWaiting = false;
            device.counters().countReceiveDropped();
        }
        pieceWaits = false;
        for (int from = 0; from < steering.pairs(); from++) {
            FrameRing ring = steering.incoming(from, pair);
            while (ring != null && ring.peek() != null) {
                ring.consume();
                device.counters().countReceiveDropped();
            }
        }
    }

    // ---- frames that come straight into the driver's memory

    private int receiveInto(NetChannel.Scattering source, Virtqueue queue, int budget) throws VirtqueueException {
        int frames = 0;
        while (frames < budget && delivery.batchBytes() < BATCH_BYTES) {
            if (delivery.usualBytes() > LARGE_FRAME && !source.mayReceive()) {
                waitForFrames(true);
                return frames;
            }
            if (!delivery.prepare(queue) && !rules.steer()) {
                starved = true;
                return frames;
            }
            iov.clear();
            iov.add(delivery.headerAddress(), VnetHeader.BYTES);
            long room = window.addTo(iov);
            if (!iov.add(privateMemory.address() + TAIL_AT, Ethernet.MAX_FRAME_BYTES)) {
                iov.clear(); // buffers in more pieces than a system call takes: not straight, then
                iov.add(delivery.headerAddress(), VnetHeader.BYTES);
                room = 0;
                iov.add(privateMemory.address() + TAIL_AT, Ethernet.MAX_FRAME_BYTES);
            }
            long bytes = source.receive(iov);
            if (bytes >= 0 && bytes < VnetHeader.BYTES || bytes == NetChannel.GONE) {
                waitForFrames(bytes >= 0);
                return frames;
            }
            frames++;
            if (bytes == NetChannel.DROPPED) {
                device.counters().countReceiveDropped();
                continue;
            }
            if (!place(queue, (int) bytes - VnetHeader.BYTES, room)) {
                starved = true;
                return frames;
            }
        }
        return frames;
    }

    private void waitForFrames(boolean linkIsThere) {
        if (linkIsThere && channel.readable() != null) {
            wakeUp.arm(channel.readable(), WakeUp.READABLE);
        }
    }

    /**
     * Finishes a frame of which the first {@code room} bytes are in the window; false when it has to wait for buffers. With
     * steering none waits: those behind it may be for queues that have some.
     */
    private boolean place(Virtqueue queue, int length, long room) throws VirtqueueException {
        int head = (int) Math.min(length, room);
        delivery.readHeader();
        VnetHeader header = delivery.header();
        if (mayBeTooLong(header, length) && isTooLong(look(head, length), length)) {
            device.counters().countReceiveDropped();
            return true;
        }
        if (rules.look()) {
            if (!classify(head, length)) {
                device.counters().countFiltered();
                return true;
            }
            if (handover.goesElsewhere(rules, classifier.hash())) {
                moveAside(head, length);
                isWaiting = false;
                handover.handOver(waiting);
                return true;
            }
        }
        if (room == 0 || !Offload.allows(rules.offloads(), header.undone())) {
            return deliverAside(queue, head, length);
        }
        switch (makeRoom(queue, head, length)) {
            case MORE -> {
                int tail = length - head;
                if (tail > 0) {
                    delivery.put(room, privateMemory.buffer(), TAIL_AT, tail);
                }
                delivery.finish(length, hash(), rules.flags());
            }
            case EMPTY -> {
                moveAside(head, length);
                return dropWaiting();
            }
            case HALF -> {
                return deliverAside(queue, head, length);
            }
            default -> device.counters().countReceiveDropped();
        }
        return true;
    }

    /** A frame that has been taken from its source is kept when the ring cannot be reached now. */
    private ReceiveWindow.Growth makeRoom(Virtqueue queue, int head, int length) throws VirtqueueException {
        try {
            return delivery.makeRoom(queue, length);
        } catch (VirtqueueException e) {
            moveAside(head, length);
            throw e;
        }
    }

    /** Delivers from private memory a frame of which the head may be in the window. */
    private boolean deliverAside(Virtqueue queue, int head, int length) throws VirtqueueException {
        moveAside(head, length);
        return deliverWaiting(queue) || dropWaiting();
    }

    /** With steering no frame waits, nor what is left of one. */
    private boolean dropWaiting() {
        if (rules.steer()) {
            isWaiting = false;
            pieceWaits = false;
            device.counters().countReceiveDropped();
        }
        return rules.steer();
    }

    /** The whole frame to private memory; the head may still be in the window. */
    private void moveAside(int head, int length) {
        window.copyOut(privateMemory.buffer(), TAIL_AT - head, head);
        waiting.set(privateMemory.buffer(), TAIL_AT - head, length);
        waiting.header().set(delivery.header());
        isWaiting = true;
    }

    /** The whole frame to private memory, as its source goes on while it waits. */
    private void moveAside(Frame frame) {
        privateMemory.buffer().put(TAIL_AT, frame.bytes(), frame.offset(), frame.length());
        waiting.set(privateMemory.buffer(), TAIL_AT, frame.length());
        waiting.header().set(frame.header());
    }

    private boolean classify(int head, int length) {
        return classifier.classify(rules, look(head, length));
    }

    /** Shows the classifier the beginning of a frame; returns how much of it. */
    private int look(int head, int length) {
        int looked = Math.min(length, FrameClassifier.BYTES);
        int inWindow = Math.min(head, looked);
        window.copyOut(classifier.bytes(), 0, inWindow);
        classifier.bytes().put(inWindow, privateMemory.buffer(), TAIL_AT, looked - inWindow);
        return looked;
    }

    // ---- frames in private memory

    private int receiveFrom(NetChannel.Buffered source, Virtqueue queue, int budget) throws VirtqueueException {
        int frames = 0;
        while (frames < budget && delivery.batchBytes() < BATCH_BYTES && !isWaiting) {
            Frame frame = source.peek();
            if (frame == null) {
                waitForFrames(true);
                return frames;
            }
            if (rules.steer()
                    && classifier.classify(rules, frame)
                    && handover.goesElsewhere(rules, classifier.hash())) {
                handover.handOver(frame);
            } else if (!deliver(queue, frame) && !dropWaiting()) {
                return frames;
            }
            source.consume();
            frames++;
        }
        return frames;
    }

    /** Frames that other workers have received for this queue. */
    private int receiveSteered(Virtqueue queue, int budget) throws VirtqueueException {
        int frames = 0;
        for (int from = 0; from < steering.pairs(); from++) {
            FrameRing ring = steering.incoming(from, pair);
            Frame frame;
            while (ring != null && frames < budget && !isWaiting && (frame = ring.peek()) != null) {
                if (!deliver(queue, frame)) {
                    return frames;
                }
                ring.consume();
                frames++;
            }
        }
        return frames;
    }

    private boolean deliverWaiting(Virtqueue queue) throws VirtqueueException {
        isWaiting = !(pieceWaits ? deliverPieces(queue) : deliver(queue, waiting));
        return !isWaiting;
    }

    /** False when the frame has to wait for buffers where it is. */
    private boolean deliver(Virtqueue queue, Frame frame) throws VirtqueueException {
        if (rules.look() && !classifier.classify(rules, frame)) {
            device.counters().countFiltered();
            return true;
        }
        return Offload.allows(rules.offloads(), frame.header().undone())
                ? deliverWhole(queue, frame)
                : segment(queue, frame);
    }

    /** For a driver that has too few buffers, or changed its mind about offloads while frames were under way; a loop never asked it. */
    private boolean segment(Virtqueue queue, Frame frame) throws VirtqueueException {
        if (segmenter == null) {
            segmenter = new Segmenter();
        }
        boolean isElsewhere = frame != waiting;
        if (isElsewhere) {
            moveAside(frame);
        }
        if (!segmenter.begin(waiting) || !segmenter.next(piece)) {
            device.counters().countReceiveDropped();
            return true;
        }
        if (deliverPieces(queue) || dropWaiting()) {
            return true;
        }
        isWaiting = true;
        return isElsewhere;
    }

    private boolean deliverPieces(Virtqueue queue) throws VirtqueueException {
        do {
            pieceWaits = true; // also when the ring cannot be reached now
            pieceWaits = !deliverWhole(queue, piece);
        } while (!pieceWaits && segmenter.next(piece));
        return !pieceWaits;
    }

    private boolean deliverWhole(Virtqueue queue, Frame frame) throws VirtqueueException {
        if (mayBeTooLong(frame.header(), frame.length()) && isTooLong(classifier.look(frame), frame.length())) {
            device.counters().countReceiveDropped();
            return true;
        }
        delivery.header().set(frame.header());
        switch (delivery.makeRoom(queue, frame.length())) {
            case MORE -> {
                delivery.put(0, frame.bytes(), frame.offset(), frame.length());
                delivery.finish(frame.length(), hash(), rules.flags());
            }
            case EMPTY -> {
                starved = true;
                return false;
            }
            case HALF -> {
                return deliverInParts(queue, frame);
            }
            default -> device.counters().countReceiveDropped();
        }
        return true;
    }

    /** What cannot be cut is lost: while it waited for buffers the driver might wait for used ones, and nothing ever came again. */
    private boolean deliverInParts(Virtqueue queue, Frame frame) throws VirtqueueException {
        if (frame.header().isSegmented()) {
            return segment(queue, frame);
        }
        device.counters().countReceiveDropped();
        return true;
    }

    // ---- both

    private boolean mayBeTooLong(VnetHeader frameHeader, int length) {
        return length > longestPlain && !frameHeader.isSegmented();
    }

    /** VLAN tags are not counted; {@code looked} bytes are with the classifier. */
    private boolean isTooLong(int looked, int length) {
        return length > longestPlain + classifier.tags(looked) * Ethernet.TAG_BYTES;
    }

    private FlowHash hash() {
        return rules.hash() == null ? null : classifier.hash();
    }
}
