package org.virtiobackend.cli;

import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseDriver;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.virtio.VirtioDeviceId;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.CommonConfigLayout;
import org.virtiobackend.virtio.pci.driver.DriverQueue;

/** A shared directory that this process drives, over a real socket; a FUSE session has begun. One thread. */
final class EmbeddedShare implements AutoCloseable {
    static final long ROOT = 1;
    static final int O_RDONLY = 0;
    static final int O_WRONLY = 1;
    static final int O_RDWR = 2;

    private static final long BUFFER_BYTES = 4L << 20;
    private static final int QUEUE_SIZE = 64;
    private static final long ANSWER_NANOS = TimeUnit.SECONDS.toNanos(30);

    private final EmbeddedGuest guest;
    private final FuseDriver hiprio;
    private final FuseDriver requests;

    private EmbeddedShare(EmbeddedGuest guest) throws IOException {
        this.guest = guest;
        guest.negotiate(VirtioFeature.VIRTIO_F_EVENT_IDX | VirtioFeature.VIRTIO_F_ACCESS_PLATFORM, 0, false);
        this.hiprio = queue(0);
        this.requests = queue(1);
        guest.driver().start();
        FuseMessage init = new FuseMessage(FUSE_INIT, 0)
                .u32(7)
                .u32(46)
                .u32(1 << 20)
                .u32(-1)
                .u32(-1);
        int error = call(init.bytes(new byte[44]), 64).error();
        if (error != 0) {
            throw new IOException("no session: error " + error);
        }
    }

    private FuseDriver queue(int index) throws IOException {
        DriverQueue queue = guest.driver().setupQueue(index, QUEUE_SIZE, guest.memory(), CommonConfigLayout.NO_VECTOR);
        queue.ring().disableInterrupts();
        return new FuseDriver(queue.ring(), guest.memory(), () -> kick(queue));
    }

    private static void kick(DriverQueue queue) {
        try {
            queue.kick();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Connects, negotiates, starts the device and a session. */
    static EmbeddedShare attach(String socketPath) throws IOException {
        EmbeddedGuest guest = EmbeddedGuest.connect(socketPath, BUFFER_BYTES, VirtioDeviceId.FS);
        try {
            return new EmbeddedShare(guest);
        } catch (IOException | RuntimeException e) {
            guest.close();
            throw e;
        }
    }

    FuseDriver hiprio() {
        return hiprio;
    }

    FuseDriver requests() {
        return requests;
    }

    /** Sends a request and waits for its answer. */
    FuseAnswer call(FuseMessage message, int replyBytes) throws IOException {
        requests.send(message, replyBytes);
        return await(requests);
    }

    FuseAnswer await(FuseDriver queue) throws IOException {
        long start = System.nanoTime();
        FuseAnswer answer;
        while ((answer = queue.poll()) == null) {
            Thread.yield(); // the device may be waiting for this very processor
            if (System.nanoTime() - start > ANSWER_NANOS) {
                throw new IOException(
                        guest.driver().needsReset() ? "the device needs a reset" : "the device does not answer");
            }
        }
        return answer;
    }

    FuseAnswer lookup(long parent, String name) throws IOException {
        return call(new FuseMessage(FUSE_LOOKUP, parent).text(name), 128);
    }

    /** The node id of a name that exists. */
    long node(long parent, String name) throws IOException {
        FuseAnswer answer = lookup(parent, name);
        if (answer.error() != 0) {
            throw new IOException(name + ": error " + answer.error());
        }
        return answer.u64(0);
    }

    FuseAnswer open(long node, int flags) throws IOException {
        return call(new FuseMessage(FUSE_OPEN, node).u32(flags).u32(0), 16);
    }

    FuseAnswer opendir(long node) throws IOException {
        return call(new FuseMessage(FUSE_OPENDIR, node).u32(0).u32(0), 16);
    }

    FuseAnswer create(long parent, String name, int mode) throws IOException {
        return call(createMessage(parent, name, mode), 144);
    }

    static FuseMessage createMessage(long parent, String name, int mode) {
        return new FuseMessage(FUSE_CREATE, parent)
                .u32(O_RDWR)
                .u32(mode)
                .u32(0)
                .u32(0)
                .text(name);
    }

    FuseAnswer read(long node, long handle, int size) throws IOException {
        FuseMessage read = new FuseMessage(FUSE_READ, node).u64(handle).u64(0).u32(size);
        return call(read.u32(0).u64(0).u64(0), size);
    }

    FuseAnswer write(long node, long handle, byte[] data) throws IOException {
        FuseMessage write = new FuseMessage(FUSE_WRITE, node).u64(handle).u64(0).u32(data.length);
        return call(write.u32(0).u64(0).u64(0).bytes(data), 8);
    }

    @Override
    public void close() throws IOException {
        guest.close();
    }
}
