package org.virtiobackend.devices.fs.passthrough;

import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.dma.SegmentList;

/** One request on its way through the server: the private copy, where payload is, and the thread that serves it. */
public final class FuseCall {
    /** It would wait: call again on a thread that may. */
    public static final int WAIT = Integer.MIN_VALUE;
    /** Nothing is answered. */
    public static final int NO_REPLY = Integer.MIN_VALUE + 1;
    /** A lock is somebody else's: hand the call to {@link PassthroughServer#awaitLock}. */
    public static final int AWAIT_LOCK = Integer.MIN_VALUE + 2;

    /** It would wait for another process of the host, who knows how long. */
    public static final int WAIT_FOR_OTHERS = Integer.MIN_VALUE + 4;
    /** It would wait, and comes after others that do: {@link PassthroughServer#appendOrder}. */
    public static final int WAIT_IN_ORDER = Integer.MIN_VALUE + 3;

    private final SegmentList readable;
    private final SegmentList writable;
    FuseRequest in;
    FuseReply out;
    FsThread thread;
    boolean mayWait;
    private long room;

    /** @param readable the whole request in shared memory, only for payload; {@code writable} the whole reply */
    public FuseCall(SegmentList readable, SegmentList writable) {
        this.readable = readable;
        this.writable = writable;
    }

    /**
     * Sets the call up for a thread.
     *
     * @param room bytes of the reply after its header
     */
    public void on(FsThread newThread, FuseRequest request, long newRoom, boolean newMayWait) {
        thread = newThread;
        in = request;
        out = newThread.reply();
        out.begin(request.order());
        room = newRoom;
        mayWait = newMayWait;
    }

    SegmentList readable() {
        return readable;
    }

    SegmentList writable() {
        return writable;
    }

    long room() {
        return room;
    }

    /** Bytes of a reply that can hold at most {@code asked}. */
    int roomFor(int asked) {
        long limit = Math.min(room, out.capacity());
        return (int) Math.min(asked & 0xffff_ffffL, limit);
    }
}
