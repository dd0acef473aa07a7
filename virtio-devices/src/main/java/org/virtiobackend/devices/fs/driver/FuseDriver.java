package org.virtiobackend.devices.fs.driver;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.Map;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.swiotlb.driver.DriverMemory;
import org.virtiobackend.virtio.queue.driver.DriverVirtqueue;

/**
 * FUSE requests over one queue of a file system device (virtio 1.4 5.11.6.1): a chain is the request, then room for the reply.
 * One thread.
 */
public final class FuseDriver {
    static final int REPLY_HEADER_BYTES = 16;

    private final DriverVirtqueue queue;
    private final DriverMemory memory;
    private final Runnable kick;
    private final Map<Integer, Pending> pending = new HashMap<>();
    private long nextUnique = 2;
    private DmaBuffer lastRequest;

    private record Pending(DmaBuffer request, DmaBuffer reply, ByteOrder order) {}

    /** @param kick notifies the device; called when it wants to be */
    public FuseDriver(DriverVirtqueue queue, DriverMemory memory, Runnable kick) {
        this.queue = queue;
        this.memory = memory;
        this.kick = kick;
    }

    /**
     * Sends a request.
     *
     * @param replyBytes room for the reply's body; -16 and less for none at all
     * @return its number
     */
    public long send(FuseMessage message, int replyBytes) {
        long unique = nextUnique;
        nextUnique += 2;
        sendRaw(message.build(unique), REPLY_HEADER_BYTES + replyBytes, message.order());
        return unique;
    }

    /** Sends any bytes as a request. */
    public void sendRaw(byte[] request, int writableBytes, ByteOrder order) {
        DmaBuffer out = allocate(Math.max(1, request.length));
        out.memory().put(out.offset(), request, 0, request.length);
        lastRequest = out;
        DmaBuffer in = writableBytes > 0 ? allocate(writableBytes) : null;
        DmaBuffer[] readable = {out};
        DmaBuffer[] writable = {in};
        int token = queue.add(readable, request.length > 0 ? 1 : 0, writable, in == null ? 0 : 1);
        if (token < 0) {
            throw new IllegalStateException("no room in the queue");
        }
        pending.put(token, new Pending(out, in, order));
        queue.publish();
        if (queue.deviceWantsKick()) {
            kick.run();
        }
    }

    /** The next answer, or null. One to a request without room for a reply has the number 0. */
    public FuseAnswer poll() {
        int token = queue.pollUsed();
        if (token < 0) {
            return null;
        }
        Pending done = pending.remove(token);
        FuseAnswer answer = answer(done, queue.usedLength());
        memory.free(done.request());
        if (done.reply() != null) {
            memory.free(done.reply());
        }
        return answer;
    }

    /** Requests that were not answered yet. */
    public int pending() {
        return pending.size();
    }

    /** Where the last request was put, for who wants to change it while the device reads it. */
    public DmaBuffer lastRequest() {
        return lastRequest;
    }

    private static FuseAnswer answer(Pending done, long used) {
        if (used < REPLY_HEADER_BYTES) {
            return new FuseAnswer(0, 0, ByteBuffer.allocate(0), 0, used);
        }
        byte[] copy = new byte[(int) Math.min(used, done.reply().length())];
        done.reply().memory().get(done.reply().offset(), copy);
        ByteBuffer bytes = ByteBuffer.wrap(copy).order(done.order());
        ByteBuffer body = bytes.slice(REPLY_HEADER_BYTES, copy.length - REPLY_HEADER_BYTES)
                .order(done.order());
        return new FuseAnswer(bytes.getLong(8), bytes.getInt(4), body, bytes.getInt(0) & 0xffff_ffffL, used);
    }

    private DmaBuffer allocate(int bytes) {
        DmaBuffer buffer = memory.allocate(bytes, 8);
        if (buffer == null) {
            throw new IllegalStateException("no memory for a request of " + bytes + " bytes");
        }
        return buffer;
    }
}
