package org.virtiobackend.conformance.runner;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.virtiobackend.conformance.runner.RawRing.Piece;
import org.virtiobackend.conformance.runner.RawRing.Used;
import org.virtiobackend.virtio.DeviceStatus;

/** An enabled queue and the requests on it. One thread. */
public final class LiveQueue {
    private static final int PREFILL = 0xa5;
    private static final long LOOK_NANOS = 50_000_000;

    /**
     * How a request is divided.
     *
     * @param outParts readable descriptors, at least 1
     * @param inParts writable descriptors, at least 1
     * @param indirect all of them in one indirect table
     * @param conventional divided as the request says, not by the numbers of parts
     */
    public record Shape(int outParts, int inParts, boolean indirect, boolean conventional) {
        public Shape(int outParts, int inParts, boolean indirect) {
            this(outParts, inParts, indirect, false);
        }

        /** As drivers do it: devices that take nothing else exist. */
        public static final Shape PLAIN = new Shape(1, 1, false, true);

        public static final Shape INDIRECT = new Shape(1, 1, true, true);
    }

    /** A request that the device has or had. */
    public record Sent(int token, Probe.Request request, Buffer out, Buffer in, List<Piece> pieces) {}

    private final Bench bench;
    private final int index;
    private final RawRing ring;
    private final int vector;
    private final long notifyOffset;
    private final int notifyValue;
    private final boolean notificationData;
    private final Map<Integer, Used> returned = new HashMap<>();
    private int count;
    private long lastLook = System.nanoTime();

    LiveQueue(Bench bench, int index, RawRing ring, int vector, long notifyOffset, int notifyValue, boolean data) {
        this.bench = bench;
        this.index = index;
        this.ring = ring;
        this.vector = vector;
        this.notifyOffset = notifyOffset;
        this.notifyValue = notifyValue;
        this.notificationData = data;
    }

    public int index() {
        return index;
    }

    public RawRing ring() {
        return ring;
    }

    public SplitRawRing split() {
        return (SplitRawRing) ring;
    }

    public PackedRawRing packed() {
        return (PackedRawRing) ring;
    }

    /** MSI-X vector of the queue, or NO_VECTOR. */
    public int vector() {
        return vector;
    }

    /** Notifies the device, whether it wants that or not. */
    public void kick() throws IOException {
        var notification = bench.structures().notification();
        if (notificationData) {
            long value = notifyValue | (long) ring.position() << 16;
            bench.registers().write(notification, notifyOffset, 4, value);
        } else {
            bench.registers().write(notification, notifyOffset, 2, notifyValue);
        }
    }

    /** Publishes and notifies. */
    public void go() throws IOException {
        ring.publish();
        kick();
    }

    /** Writes a request of the probe into the ring; {@link #go} shows it. */
    public Sent put(Shape shape) throws IOException {
        return put(bench.probe().request(bench, count++), shape, PREFILL);
    }

    /** The same with a request of the caller's and a byte that the writable part is filled with before. */
    public Sent put(Probe.Request request, Shape shape, int prefill) {
        Buffer out = bench.buffer(request.out().length);
        out.put(0, request.out());
        Buffer in = bench.buffer(request.in());
        in.fill(prefill);
        List<Piece> pieces = new ArrayList<>();
        if (shape.conventional()) {
            pieces.addAll(conventional(request, out, in));
        } else {
            divide(out, shape.outParts(), false, pieces);
            divide(in, shape.inParts(), true, pieces);
        }
        int token = shape.indirect() ? ring.chain(List.of(Piece.table(bench.table(ring, pieces)))) : ring.chain(pieces);
        return new Sent(token, request, out, in, pieces);
    }

    /** The descriptors of a request in its conventional form. */
    public static List<Piece> conventional(Probe.Request request, Buffer out, Buffer in) {
        List<Piece> pieces = new ArrayList<>();
        cut(out, request.head(), false, pieces);
        cut(in, in.length() - request.tail(), true, pieces);
        return pieces;
    }

    /** Two descriptors, or one where nothing would be left for the other. */
    private static void cut(Buffer buffer, int at, boolean writable, List<Piece> pieces) {
        if (at <= 0 || at >= buffer.length()) {
            pieces.add(new Piece(buffer.address(), buffer.length(), writable, false));
        } else {
            pieces.add(new Piece(buffer.address(), at, writable, false));
            pieces.add(new Piece(buffer.address() + at, buffer.length() - at, writable, false));
        }
    }

    private static void divide(Buffer buffer, int parts, boolean writable, List<Piece> pieces) {
        int left = Math.min(parts, buffer.length());
        int at = 0;
        for (; left > 0; left--) {
            int length = left == 1 ? buffer.length() - at : Math.max(1, (buffer.length() - at) / left);
            pieces.add(new Piece(buffer.address() + at, length, writable, false));
            at += length;
        }
    }

    /** What the device said of a request, waiting for it; fails the clause in question when it does not come. */
    public Used await(Sent sent) throws IOException {
        return await(sent.token());
    }

    /** The same for a chain that was written by {@link RawRing#chain}. */
    public Used await(int token) throws IOException {
        bench.await("the device uses the buffer", () -> {
            boolean broken = looksBroken();
            collect();
            if (broken && !returned.containsKey(token)) {
                throw new CheckFailure("the device needs a reset and does not use the buffer");
            }
            return returned.containsKey(token);
        });
        return returned.remove(token);
    }

    /** Whether the device has given up, so that there is nothing to wait for; looks from time to time only. */
    private boolean looksBroken() throws IOException {
        long now = System.nanoTime();
        if (now - lastLook < LOOK_NANOS) {
            return false;
        }
        lastLook = now;
        return (bench.status() & DeviceStatus.DEVICE_NEEDS_RESET) != 0;
    }

    /** Takes everything that was returned so far; true when there was something. */
    public boolean collect() {
        boolean any = false;
        for (Used used; (used = ring.poll()) != null; any = true) {
            bench.trace().add("used: buffer " + used.token() + ", length " + used.length());
            returned.put(used.token(), used);
        }
        return any;
    }

    /** Sends one request, waits for it and judges the answer. */
    public Used exchange(Shape shape) throws IOException {
        Sent sent = put(shape);
        go();
        return judge(sent);
    }

    /** Waits for a request and judges the answer; the used length has clauses and checks of its own. */
    public Used judge(Sent sent) throws IOException {
        Used used = await(sent);
        String problem = sent.request().answer().problem(sent.in().get(), -1);
        bench.that(problem == null, "the answer is wrong: " + problem);
        return used;
    }
}
