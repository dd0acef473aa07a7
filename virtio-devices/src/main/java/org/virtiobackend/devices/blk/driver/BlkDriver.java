package org.virtiobackend.devices.blk.driver;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.swiotlb.driver.Bounce;
import org.virtiobackend.swiotlb.driver.BouncePool;
import org.virtiobackend.swiotlb.driver.BouncePool.Direction;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/**
 * Block requests over one virtqueue (virtio 1.4 5.2.6). Everything a request needs stands ready in a slot: header,
 * data buffer, status byte; submitting and polling allocate nothing.
 *
 * <p>Use: {@link #acquire} a slot, fill its {@link #data} for a write, submit it, {@link #publish} a batch, kick if
 * {@link #deviceWantsKick}, {@link #poll} until the slot comes back, look at {@link #status}, and {@link #release}
 * it. One thread.
 */
public final class BlkDriver {
    /** Status of a slot that the device has not answered. */
    public static final int NO_STATUS = 0xff;

    private static final int SLOT_BYTES = 64;
    private static final int STATUS_AT = 32;
    private static final int DATA_ALIGNMENT = 4096;

    private final DriverVirtqueue queue;
    private final DriverMemory memory;
    /** What data is bounced through, or null when the data buffers are in memory that the device reaches. */
    private final BouncePool pool;

    private final Bounce[] bounces;
    private final DmaBuffer control;
    private final DmaBuffer[] data;
    private final int[] free;
    private final int[] slotOfToken;
    private final long[] addresses = new long[3];
    private final int[] lengths = new int[3];
    private int freeCount;

    /**
     * Allocates the slots, data buffers included, in memory that the device reaches: no data is ever copied.
     *
     * @param slots requests that can be out at a time; the queue needs three descriptors for each, or one if it has
     *     indirect tables
     * @param dataBytes size of each slot's data buffer, more than 0
     * @throws IllegalStateException when {@code memory} has no room
     */
    public BlkDriver(DriverVirtqueue queue, DriverMemory memory, int slots, int dataBytes) {
        this(queue, memory, null, slots, dataBytes);
    }

    /** The same with data buffers that the device cannot reach: each request's data is bounced through the pool. */
    public static BlkDriver bouncing(DriverVirtqueue queue, BouncePool pool, int slots, int dataBytes) {
        return new BlkDriver(queue, pool, pool, slots, dataBytes);
    }

    private BlkDriver(DriverVirtqueue queue, DriverMemory memory, BouncePool pool, int slots, int dataBytes) {
        this.queue = queue;
        this.memory = memory;
        this.pool = pool;
        this.control = allocate(memory, slots * SLOT_BYTES, SLOT_BYTES);
        this.data = new DmaBuffer[slots];
        this.bounces = new Bounce[slots];
        this.free = new int[slots];
        this.slotOfToken = new int[queue.size()];
        for (int slot = slots - 1; slot >= 0; slot--) {
            data[slot] = pool == null ? allocate(memory, dataBytes, DATA_ALIGNMENT) : unreachable(dataBytes);
            bounces[slot] = new Bounce();
            release(slot);
        }
    }

    /** Memory of this process only, as an application's would be. */
    private static DmaBuffer unreachable(int bytes) {
        ByteBuffer memory = NativeBuffer.allocatePageAligned(bytes).buffer();
        return new DmaBuffer(memory.order(ByteOrder.LITTLE_ENDIAN), 0, bytes, 0);
    }

    private static DmaBuffer allocate(DriverMemory memory, int bytes, int alignment) {
        DmaBuffer buffer = memory.allocate(bytes, alignment);
        if (buffer == null) {
            throw new IllegalStateException("no memory for a block request of " + bytes + " bytes");
        }
        return buffer;
    }

    /** Gives the memory back; the device must not have any of it. */
    public void close() {
        memory.free(control);
        if (pool == null) {
            Arrays.stream(data).forEach(memory::free);
        }
    }

    /** A slot for one request, or -1 when all are out. */
    public int acquire() {
        return freeCount == 0 ? -1 : free[--freeCount];
    }

    public void release(int slot) {
        free[freeCount++] = slot;
    }

    /** Slots that can be acquired. */
    public int freeSlots() {
        return freeCount;
    }

    /** The slot's data buffer: filled by the caller before a write, by the device after a read. */
    public DmaBuffer data(int slot) {
        return data[slot];
    }

    /**
     * Submits a request, as all the following do.
     *
     * @param bytes a multiple of 512, at most the size of the data buffer
     * @return false when the bounce pool is full: nothing was submitted, try again when a request has come back
     */
    public boolean read(int slot, long sector, int bytes) {
        return submit(slot, VIRTIO_BLK_T_IN, sector, 0, bytes);
    }

    /** @param bytes a multiple of 512, at most the size of the data buffer */
    public boolean write(int slot, long sector, int bytes) {
        return submit(slot, VIRTIO_BLK_T_OUT, sector, bytes, 0);
    }

    public boolean flush(int slot) {
        return submit(slot, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
    }

    /** The device ID string comes back in the data buffer. */
    public boolean getId(int slot) {
        return submit(slot, VIRTIO_BLK_T_GET_ID, 0, 0, ID_BYTES);
    }

    public boolean discard(int slot, long sector, long sectors) {
        putRange(slot, sector, sectors, 0);
        return submit(slot, VIRTIO_BLK_T_DISCARD, 0, RANGE_BYTES, 0);
    }

    /** @param unmap the device may give the storage up */
    public boolean writeZeroes(int slot, long sector, long sectors, boolean unmap) {
        putRange(slot, sector, sectors, unmap ? RANGE_UNMAP : 0);
        return submit(slot, VIRTIO_BLK_T_WRITE_ZEROES, 0, RANGE_BYTES, 0);
    }

    private void putRange(int slot, long sector, long sectors, int flags) {
        ByteBuffer bytes = data[slot].memory();
        int at = data[slot].offset();
        bytes.putLong(at, sector);
        bytes.putInt(at + 8, (int) sectors);
        bytes.putInt(at + 12, flags);
    }

    private boolean submit(int slot, int type, long sector, int bytesOut, int bytesIn) {
        int dataBytes = bytesOut + bytesIn;
        if (dataBytes > 0 && pool != null && !bounce(slot, dataBytes, bytesOut > 0)) {
            return false;
        }
        ByteBuffer bytes = control.memory();
        int at = control.offset() + slot * SLOT_BYTES;
        bytes.putInt(at, type);
        bytes.putInt(at + 4, 0);
        bytes.putLong(at + 8, sector);
        bytes.put(at + STATUS_AT, (byte) NO_STATUS);
        long address = control.dmaAddress() + (long) slot * SLOT_BYTES;
        addresses[0] = address;
        lengths[0] = HEADER_BYTES;
        int count = 1;
        if (dataBytes > 0) {
            addresses[1] = pool == null ? data[slot].dmaAddress() : bounces[slot].dmaAddress();
            lengths[1] = dataBytes;
            count = 2;
        }
        addresses[count] = address + STATUS_AT;
        lengths[count] = 1;
        int writable = bytesIn > 0 ? 2 : 1;
        int token = queue.add(addresses, lengths, count + 1 - writable, writable);
        if (token < 0) {
            throw new IllegalStateException("more requests out than the virtqueue has descriptors for");
        }
        slotOfToken[token] = slot;
        return true;
    }

    private boolean bounce(int slot, int bytes, boolean toDevice) {
        Direction direction = toDevice ? Direction.TO_DEVICE : Direction.FROM_DEVICE;
        return pool.map(data[slot].memory(), data[slot].offset(), bytes, direction, slot, bounces[slot]);
    }

    /** Shows the device what was submitted since the last call. */
    public void publish() {
        queue.publish();
    }

    /** Whether the device has to be notified of what was published. */
    public boolean deviceWantsKick() {
        return queue.deviceWantsKick();
    }

    /** The slot of the next finished request, or -1. */
    public int poll() {
        int token = queue.pollUsed();
        if (token < 0) {
            return -1;
        }
        int slot = slotOfToken[token];
        if (bounces[slot].isMapped()) {
            // The last byte that the device wrote is the status, not data.
            pool.unmap(bounces[slot], (int) queue.usedLength() - 1);
        }
        return slot;
    }

    /** How the slot's last request ended: a VIRTIO_BLK_S_ constant, or {@link #NO_STATUS}. */
    public int status(int slot) {
        return control.memory().get(control.offset() + slot * SLOT_BYTES + STATUS_AT) & 0xff;
    }
}
