package org.virtiobackend.devices.net.driver;

import java.util.Arrays;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/**
 * Frames over one queue pair (virtio 1.4 5.1.9). Buffers stand ready in slots, each long enough for a whole frame; sending and
 * receiving allocate nothing.
 *
 * <p>To send: {@link #acquire} a slot, fill its {@link #outgoing} buffer behind the header, {@link #send}, publish the queue;
 * {@link #reclaim} gives slots back. To receive: {@link #receive}, read {@link #incoming}, {@link #release}, publish. One thread.
 */
public final class NetDriver {
    /** Bytes of the header before each frame. */
    public static final int HEADER_BYTES = 12;

    private static final int ALIGNMENT = 64;

    private final DriverVirtqueue receiveQueue;
    private final DriverVirtqueue transmitQueue;
    private final DriverMemory memory;
    private final DmaBuffer[] in;
    private final DmaBuffer[] out;
    private final int[] inOfToken;
    private final int[] outOfToken;
    private final int[] free;
    private final long[] address = new long[1];
    private final int[] length = new int[1];
    private int freeCount;
    private int receivedBytes;

    /**
     * Allocates the slots and makes all receive buffers available, as soon as the queue is published.
     *
     * @param slots frames that can be out, and receive buffers: at most the size of either queue
     * @param frameBytes longest frame
     * @throws IllegalStateException when {@code memory} has no room
     */
    public NetDriver(
            DriverVirtqueue receiveQueue,
            DriverVirtqueue transmitQueue,
            DriverMemory memory,
            int slots,
            int frameBytes) {
        this.receiveQueue = receiveQueue;
        this.transmitQueue = transmitQueue;
        this.memory = memory;
        this.in = allocate(slots, frameBytes);
        this.out = allocate(slots, frameBytes);
        this.inOfToken = new int[receiveQueue.size()];
        this.outOfToken = new int[transmitQueue.size()];
        this.free = new int[slots];
        for (int slot = slots - 1; slot >= 0; slot--) {
            free[freeCount++] = slot;
            release(slot);
        }
    }

    private DmaBuffer[] allocate(int slots, int frameBytes) {
        DmaBuffer[] buffers = new DmaBuffer[slots];
        for (int slot = 0; slot < slots; slot++) {
            buffers[slot] = memory.allocate(HEADER_BYTES + frameBytes, ALIGNMENT);
            if (buffers[slot] == null) {
                throw new IllegalStateException("no memory for " + slots + " frames of " + frameBytes + " bytes");
            }
        }
        return buffers;
    }

    /** Gives the memory back; the device must not have any of it. */
    public void close() {
        Arrays.stream(in).forEach(memory::free);
        Arrays.stream(out).forEach(memory::free);
    }

    // ---- transmit

    /** A slot for one frame, or -1 when all are out. */
    public int acquire() {
        return freeCount == 0 ? -1 : free[--freeCount];
    }

    /** Header, all zeroes unless the caller says otherwise, and frame of a slot. */
    public DmaBuffer outgoing(int slot) {
        return out[slot];
    }

    /** Adds the frame of a slot to the transmit queue; the slot is the device's until it is reclaimed. */
    public void send(int slot, int frameBytes) {
        address[0] = out[slot].dmaAddress();
        length[0] = HEADER_BYTES + frameBytes;
        int token = transmitQueue.add(address, length, 1, 0);
        if (token < 0) {
            throw new IllegalStateException("more frames out than the transmit queue has entries");
        }
        outOfToken[token] = slot;
    }

    /** Takes back the slots of frames that were sent; returns how many. */
    public int reclaim() {
        int reclaimed = 0;
        for (int token; (token = transmitQueue.pollUsed()) >= 0; reclaimed++) {
            free[freeCount++] = outOfToken[token];
        }
        return reclaimed;
    }

    // ---- receive

    /** The slot of the next frame, or -1. */
    public int receive() {
        int token = receiveQueue.pollUsed();
        if (token < 0) {
            return -1;
        }
        receivedBytes = (int) receiveQueue.usedLength() - HEADER_BYTES;
        return inOfToken[token];
    }

    /** Bytes of the frame that was received last, without header. */
    public int receivedBytes() {
        return receivedBytes;
    }

    /** Header and frame of a slot. */
    public DmaBuffer incoming(int slot) {
        return in[slot];
    }

    /** Makes a receive buffer available again. */
    public void release(int slot) {
        address[0] = in[slot].dmaAddress();
        length[0] = in[slot].length();
        int token = receiveQueue.add(address, length, 0, 1);
        if (token < 0) {
            throw new IllegalStateException("more buffers than the receive queue has entries");
        }
        inOfToken[token] = slot;
    }
}
