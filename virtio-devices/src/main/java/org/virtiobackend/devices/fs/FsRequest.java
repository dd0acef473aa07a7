package org.virtiobackend.devices.fs;

import org.virtiobackend.devices.fs.fuse.FuseOpcode;
import org.virtiobackend.devices.fs.fuse.FuseReply;
import org.virtiobackend.devices.fs.fuse.FuseRequest;
import org.virtiobackend.devices.fs.passthrough.FsThread;
import org.virtiobackend.devices.fs.passthrough.FuseCall;
import org.virtiobackend.devices.fs.passthrough.LockWait;
import org.virtiobackend.devices.fs.passthrough.PassthroughServer;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.MemoryFaults;
import org.virtiobackend.virtio.device.io.IoPool;
import org.virtiobackend.virtio.device.io.IoScratch;
import org.virtiobackend.virtio.queue.DescriptorChain;

/**
 * One request (virtio 1.4 5.11.6.1), pooled with its chain. It is copied out once; the worker serves what does not wait, and
 * the I/O pool the rest, from a copy of the fixed part.
 */
final class FsRequest implements IoPool.Task, LockWait {
    /** A request for a lock is three descriptors without a table of their own; a quarter of the queue stays free in any case. */
    private static final int ENTRIES_OF_A_WAIT = 4;

    private final VirtioFsDevice device;
    private final PassthroughServer server;
    private final DescriptorChain chain;
    private final FuseCall call;
    private final int mostWaits;
    /** What is kept of a request that was put off. */
    private FuseRequest kept;
    /** {@link VirtioFsDevice#listsEnded} when it was put off. */
    private int listsEnded;
    /** It has a turn among appends to its file. */
    private boolean inOrder;

    /** @param queueSize entries of the chain's queue */
    FsRequest(VirtioFsDevice device, DescriptorChain chain, int queueSize) {
        this.device = device;
        this.server = device.server();
        this.chain = chain;
        this.mostWaits = Math.max(1, queueSize / ENTRIES_OF_A_WAIT);
        this.call = new FuseCall(chain.readable().segments(), chain.writable().segments());
    }

    /** Serves the chain that was just polled, on the worker of its queue. */
    void serve(FsThread thread) {
        FuseRequest request = thread.request();
        int error = request.read(chain.readable(), server.order());
        MemoryFaults.surface(); // before a call that would be made for what an earlier request left here: decision 7
        long room = chain.writable().capacity() - FuseReply.HEADER_BYTES;
        call.on(thread, request, Math.max(room, 0), false);
        if (error == 0) {
            error = judge(request, room);
        }
        if (error != 0) {
            device.malformed();
            chain.complete(write(thread, request, error));
            return;
        }
        int result = server.serve(call);
        if (result == FuseCall.WAIT || request.isBeginning()) {
            putOff(request);
            device.pool().submit(this);
        } else if (result == FuseCall.WAIT_FOR_OTHERS) {
            putOff(request);
            device.pool().submitSlow(this);
        } else if (result == FuseCall.WAIT_IN_ORDER) {
            putOff(request);
            inOrder = true;
            if (server.appendOrder().enter(kept.nodeId(), this)) {
                device.pool().submit(this);
            }
        } else if (result == FuseCall.AWAIT_LOCK) {
            putOff(request);
            server.awaitLock(this);
        } else {
            chain.complete(write(thread, request, result));
        }
    }

    @Override
    public void run(IoScratch scratch) {
        long written = 0;
        try {
            FsThread thread = FsThread.current();
            if (kept.isBeginning()) {
                serveParts(thread);
            } else {
                call.on(thread, kept, chain.writable().capacity() - FuseReply.HEADER_BYTES, true);
                written = write(thread, kept, server.serve(call));
            }
            MemoryFaults.surface();
        } catch (RuntimeException | Error e) { // InternalError: the memory behind the chain is gone
            device.fail(e);
        }
        if (inOrder) {
            letNextAppend();
        }
        chain.complete(written); // once, whatever it throws: the chain may be another request's by then
    }

    private void letNextAppend() {
        inOrder = false;
        IoPool.Task next = server.appendOrder().leave(kept.nodeId());
        if (next != null) {
            device.pool().submit(next);
        }
    }

    /** The rest of a list to forget, which nobody waits for. */
    private void serveParts(FsThread thread) {
        FuseRequest part = thread.request();
        kept.limitList(server.maxInodes());
        while (device.listsEnded() == listsEnded && part.readPart(chain.readable(), kept)) {
            MemoryFaults.surface();
            call.on(thread, part, 0, true);
            server.serve(call);
        }
    }

    /** A request that could not be answered is not begun: what it would have changed could not be told. */
    private static int judge(FuseRequest request, long room) {
        int opcode = request.opcode();
        boolean silent = opcode == FuseOpcode.FUSE_FORGET || opcode == FuseOpcode.FUSE_BATCH_FORGET;
        return silent || room >= FuseOpcode.minReplyBytes(opcode) ? 0 : -Errno.EINVAL;
    }

    private void putOff(FuseRequest request) {
        if (kept == null) {
            kept = new FuseRequest(FuseRequest.FIXED_BYTES);
        }
        kept.copyFixed(request);
        listsEnded = device.listsEnded();
        chain.defer();
    }

    @Override
    public FuseRequest request() {
        return kept;
    }

    @Override
    public int most() {
        return mostWaits;
    }

    @Override
    public void answer(int error) {
        FsThread thread = FsThread.current();
        long written = 0;
        try {
            thread.reply().begin(kept.order());
            written = write(thread, kept, error);
            MemoryFaults.surface();
        } catch (RuntimeException | Error e) {
            device.fail(e);
        }
        chain.complete(written);
    }

    /** Writes the reply; returns its bytes. */
    private long write(FsThread thread, FuseRequest request, int result) {
        boolean answerable = chain.writable().capacity() >= FuseReply.HEADER_BYTES;
        if (result == FuseCall.NO_REPLY || !answerable) {
            return 0;
        }
        int error = Math.min(result, 0);
        return thread.reply().send(chain.writable(), request.unique(), error, Math.max(result, 0));
    }
}
