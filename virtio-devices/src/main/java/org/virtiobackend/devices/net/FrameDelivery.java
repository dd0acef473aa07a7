package org.virtiobackend.devices.net;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.devices.net.packet.FlowHash;
import org.virtiobackend.devices.net.packet.VnetHeader;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.virtio.queue.Virtqueue;
import org.virtiobackend.virtio.queue.VirtqueueException;

/**
 * Turns the buffers of a {@link ReceiveWindow} into delivered frames: as many of them as a frame needs, the header in front,
 * the lengths into the ring (virtio 1.4 5.1.9.4.1).
 *
 * <p>Belongs to the worker of its queue.
 */
final class FrameDelivery {
    private static final int SMALL_FRAME = 2048;

    private final VirtioNetDevice device;
    private final ReceiveWindow window;
    private final boolean mergeable;
    private final int headerBytes;
    private final NativeBuffer headerMemory = NativeBuffer.allocate(VnetHeader.BYTES_WITH_HASH);
    private final ByteBuffer headerView = headerMemory.buffer().order(ByteOrder.LITTLE_ENDIAN);
    private final VnetHeader header = new VnetHeader();

    /** Bytes that recent frames had, header included: how much the window should hold. */
    private int usual = SMALL_FRAME;

    private long batchBytes;

    FrameDelivery(VirtioNetDevice device, ReceiveWindow window) {
        this.device = device;
        this.window = window;
        this.mergeable = device.isNegotiated(VirtioNet.VIRTIO_NET_F_MRG_RXBUF);
        this.headerBytes = device.headerBytes();
    }

    /** The header of the frame that is delivered next. */
    VnetHeader header() {
        return header;
    }

    /** Where a backend that writes headers itself puts {@link VnetHeader#BYTES} of one; {@link #readHeader} then takes them. */
    long headerAddress() {
        return headerMemory.address();
    }

    void readHeader() {
        header.read(headerView, 0);
    }

    void beginBatch() {
        batchBytes = 0;
    }

    /** Bytes delivered since {@link #beginBatch}. */
    long batchBytes() {
        return batchBytes;
    }

    int usualBytes() {
        return usual;
    }

    /** Fills the window for a frame of usual length; false when there is no buffer at all. */
    boolean prepare(Virtqueue queue) throws VirtqueueException {
        if (window.isEmpty() && window.grow(queue) != ReceiveWindow.Growth.MORE) {
            return false;
        }
        while (mergeable && window.bytes() < usual && window.grow(queue) == ReceiveWindow.Growth.MORE) {}
        return true;
    }

    /**
     * Makes the window hold a frame. MORE: it does; EMPTY: it will when the driver has added buffers; HALF: it would, but the driver
     * may add none before some are used, as Linux does; UNUSABLE: never.
     */
    ReceiveWindow.Growth makeRoom(Virtqueue queue, int length) throws VirtqueueException {
        int needed = length + headerBytes;
        usual = Math.max(needed, usual - (usual >>> 4));
        while (window.bytes() < needed) {
            if (!window.isEmpty() && !mergeable) {
                return ReceiveWindow.Growth.UNUSABLE; // virtio 1.4 5.1.9.3.2: one buffer only
            }
            ReceiveWindow.Growth growth = window.grow(queue);
            if (growth == ReceiveWindow.Growth.EMPTY) {
                return emptyAt(window.descriptors(), queue.size());
            }
            if (growth != ReceiveWindow.Growth.MORE) {
                return growth;
            }
        }
        return ReceiveWindow.Growth.MORE;
    }

    private static ReceiveWindow.Growth emptyAt(int descriptors, int queueSize) {
        if (descriptors >= queueSize) {
            return ReceiveWindow.Growth.UNUSABLE; // all that this queue can ever hold
        }
        return 2 * descriptors >= queueSize ? ReceiveWindow.Growth.HALF : ReceiveWindow.Growth.EMPTY;
    }

    /** Copies bytes to position {@code at} of a frame in the window, its chains taken as one stream. */
    void put(long at, ByteBuffer source, int offset, int length) {
        long skip = headerBytes + at;
        int done = 0;
        for (int i = 0; done < length; i++) {
            var writer = window.chain(i).writable();
            long capacity = writer.capacity();
            if (skip >= capacity) {
                skip -= capacity;
                continue;
            }
            writer.skip(skip - writer.position());
            int part = (int) Math.min(capacity - skip, length - done);
            writer.put(source, offset + done, part);
            done += part;
            skip = 0;
        }
    }

    /**
     * Writes the header and returns the buffers of a frame whose bytes are in place.
     *
     * @param hash of the frame, null when the driver has asked for none
     * @param flags of the header that the driver may see
     */
    void finish(int length, FlowHash hash, int flags) {
        int buffers = 0;
        for (long left = length + headerBytes; left > 0; buffers++) {
            left -= window.chain(buffers).writable().capacity();
        }
        header.keepFlags(flags);
        header.write(headerView, 0, buffers); // virtio 1.4 5.1.9.4.1
        if (headerBytes > VnetHeader.BYTES) {
            headerView.putInt(VnetHeader.BYTES, hash == null ? 0 : hash.value());
            headerView.putInt(VnetHeader.BYTES + 4, hash == null ? 0 : hash.report()); // virtio 1.4 5.1.9.4.5
        }
        window.writeHeader(headerView, headerBytes);
        if (device.dump() != null) {
            device.dump().write(length, (record, at) -> window.copyOut(record, at, length));
        }
        batchBytes += length;
        long left = length + headerBytes;
        while (left > 0) {
            long part = Math.min(left, window.chain(0).writable().capacity());
            window.take().complete(part);
            left -= part;
        }
    }
}
