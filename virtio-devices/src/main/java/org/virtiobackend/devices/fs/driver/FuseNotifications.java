package org.virtiobackend.devices.fs.driver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/** Takes notifications from the notification queue (virtio 1.4 5.11.6.3) and gives the buffers back. One thread. */
public final class FuseNotifications {
    private final DriverVirtqueue queue;
    private final DriverMemory memory;
    private final Runnable kick;
    private final Map<Integer, DmaBuffer> posted = new HashMap<>();

    /** @param kick notifies the device; called when it wants to be */
    public FuseNotifications(DriverVirtqueue queue, DriverMemory memory, Runnable kick) {
        this.queue = queue;
        this.memory = memory;
        this.kick = kick;
    }

    /** Gives the device buffers to write into. */
    public void post(int count, int bytes) {
        for (int i = 0; i < count; i++) {
            DmaBuffer buffer = memory.allocate(bytes, 8);
            DmaBuffer[] writable = {buffer};
            int token = buffer == null ? -1 : queue.add(writable, 0, writable, 1);
            if (token < 0) {
                throw new IllegalStateException("no room for a buffer of " + bytes + " bytes");
            }
            posted.put(token, buffer);
        }
        queue.publish();
        if (queue.deviceWantsKick()) {
            kick.run();
        }
    }

    /** The next notification, its code where an answer has its error; or null. Its buffer is given back to the device. */
    public FuseAnswer poll(ByteOrder order) {
        int token = queue.pollUsed();
        if (token < 0) {
            return null;
        }
        DmaBuffer buffer = posted.remove(token);
        byte[] copy = new byte[(int) Math.min(queue.usedLength(), buffer.length())];
        buffer.memory().get(buffer.offset(), copy);
        int size = buffer.length();
        memory.free(buffer);
        post(1, size);
        if (copy.length < FuseDriver.REPLY_HEADER_BYTES) {
            return new FuseAnswer(0, 0, ByteBuffer.allocate(0), 0, copy.length);
        }
        ByteBuffer bytes = ByteBuffer.wrap(copy).order(order);
        ByteBuffer body = bytes.slice(FuseDriver.REPLY_HEADER_BYTES, copy.length - FuseDriver.REPLY_HEADER_BYTES)
                .order(order);
        return new FuseAnswer(bytes.getLong(8), bytes.getInt(4), body, bytes.getInt(0) & 0xffff_ffffL, copy.length);
    }

    /** Buffers that the device has. */
    public int posted() {
        return posted.size();
    }
}
