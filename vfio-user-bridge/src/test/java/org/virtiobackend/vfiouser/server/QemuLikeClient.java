package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.vfiouser.server.TestServer.assertOk;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.io.IOException;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongPredicate;
import org.virtiobackend.pci.PciFunction;
import org.virtiobackend.pci.driver.PciDevice;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.Mapping;
import org.virtiobackend.vfiouser.client.BufferDmaTarget;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/**
 * A client with QEMU's one lock: who sends a command holds it until the reply is here, and who serves DMA messages needs it. So no
 * message is served while a command is unanswered, be it another device's.
 */
final class QemuLikeClient implements PciDevice {
    private final RawConnection connection;
    private final BufferDmaTarget memory;
    private final ReentrantLock lock;
    private final BlockingQueue<RawMessage> replies = new LinkedBlockingQueue<>();
    private final BlockingQueue<RawMessage> requests = new LinkedBlockingQueue<>();
    private final Thread receiver = new Thread(this::receive, "client-receiver");
    private final Thread mainLoop = new Thread(this::serve, "client-main-loop");
    private int lastId;
    /** Addresses that no message may name from the next reply on; under the lock. */
    private LongPredicate forbiddenNext = address -> false;

    private volatile LongPredicate forbidden = address -> false;
    private volatile boolean broken;
    private volatile int served;

    /**
     * @param lock of the process that has this device
     * @param memory private to it
     */
    QemuLikeClient(TestServer server, ReentrantLock lock, BufferDmaTarget memory) throws IOException {
        this(server.negotiated(), lock, memory);
    }

    private QemuLikeClient(RawConnection connection, ReentrantLock lock, BufferDmaTarget memory) {
        this.lock = lock;
        this.connection = connection;
        this.memory = memory;
        receiver.start();
        mainLoop.start();
    }

    /** Whether a message came for what was forbidden. */
    boolean wasBroken() {
        return broken;
    }

    /** DMA messages served so far. */
    int served() {
        return served;
    }

    /** Forbids addresses to the server from the reply to the next command on. */
    void forbid(LongPredicate addresses) {
        lock.lock();
        forbiddenNext = addresses;
        lock.unlock();
    }

    /** Allows all again, from now on. */
    void allow() {
        forbid(address -> false);
        forbidden = forbiddenNext;
    }

    void dmaMap(long address, long size, Fd fd) throws IOException {
        byte[] payload = Bytes.of().u32(32, 3).u64(0, address, size).get();
        if (fd == null) {
            call(Command.DMA_MAP, payload);
        } else {
            call(Command.DMA_MAP, payload, fd);
        }
    }

    void dmaUnmap(long address, long size) throws IOException {
        call(Command.DMA_UNMAP, Bytes.of().u32(24, 0).u64(address, size).get());
    }

    private RawMessage call(int command, byte[] payload, Fd... fds) throws IOException {
        lock.lock();
        try {
            lastId = lastId + 1 & 0x7fff;
            connection.send(RawMessage.command(lastId, command, payload), fds);
            RawMessage reply = replies.poll(TestServer.WAIT_MILLIS, TimeUnit.MILLISECONDS);
            assertOk(reply);
            assertEquals(lastId, reply.id());
            return reply;
        } catch (InterruptedException e) {
            throw new IOException(e);
        } finally {
            lock.unlock();
        }
    }

    private void receive() {
        try {
            while (true) {
                RawMessage message = next();
                if (message == null) {
                    return;
                }
                if (message.isReply()) {
                    forbidden = forbiddenNext;
                    replies.add(message);
                } else {
                    broken |= forbidden.test(message.bytes().getLongLE(0));
                    requests.add(message);
                }
            }
        } catch (IOException e) {
            // the end
        }
    }

    private RawMessage next() throws IOException {
        while (true) {
            try {
                return connection.receive();
            } catch (ErrnoException e) {
                if (e.errno() != Errno.ETIMEDOUT) {
                    throw e;
                }
            }
        }
    }

    private void serve() {
        try {
            while (true) {
                RawMessage request = requests.take();
                lock.lock();
                try {
                    connection.send(answer(request));
                    served++;
                } finally {
                    lock.unlock();
                }
            }
        } catch (InterruptedException | IOException e) {
            // the end
        }
    }

    private byte[] answer(RawMessage request) {
        ByteBuf payload = request.bytes();
        long address = payload.getLongLE(0);
        int count = (int) payload.getLongLE(8);
        ByteBuf reply = Unpooled.buffer();
        reply.writeBytes(payload, 0, 16);
        int errno = request.command() == Command.DMA_READ
                ? memory.read(address, count, reply)
                : memory.write(address, count, payload.slice(16, count));
        byte[] bytes = new byte[errno == 0 ? reply.readableBytes() : 0];
        reply.readBytes(bytes);
        int flags = MessageHeader.TYPE_REPLY | (errno == 0 ? 0 : MessageHeader.FLAG_ERROR);
        return RawMessage.encode(request.id(), request.command(), flags, errno, bytes);
    }

    // ---- PciDevice

    private long regionRead(int region, long offset, int length) throws IOException {
        ByteBuf data = call(
                        Command.REGION_READ,
                        Bytes.of().u64(offset).u32(region, length).get())
                .bytes();
        long value = 0;
        for (int i = length - 1; i >= 0; i--) {
            value = value << 8 | data.getUnsignedByte(16 + i);
        }
        return value;
    }

    private void regionWrite(int region, long offset, int length, long value) throws IOException {
        Bytes payload = Bytes.of().u64(offset).u32(region, length);
        for (int i = 0; i < length; i++) {
            payload.u8((int) (value >>> 8 * i));
        }
        call(Command.REGION_WRITE, payload.get());
    }

    @Override
    public long configRead(int offset, int length) throws IOException {
        return regionRead(PciFunction.CONFIG_REGION, offset, length);
    }

    @Override
    public void configWrite(int offset, int length, long value) throws IOException {
        regionWrite(PciFunction.CONFIG_REGION, offset, length, value);
    }

    @Override
    public long barSize(int bar) throws IOException {
        byte[] request = Bytes.of().u32(32, 0, bar, 0).u64(0, 0).get();
        return call(Command.DEVICE_GET_REGION_INFO, request).bytes().getLongLE(16);
    }

    @Override
    public long barRead(int bar, long offset, int length) throws IOException {
        return regionRead(bar, offset, length);
    }

    @Override
    public void barWrite(int bar, long offset, int length, long value) throws IOException {
        regionWrite(bar, offset, length, value);
    }

    @Override
    public void barWritePosted(int bar, long offset, int length, long value) throws IOException {
        regionWrite(bar, offset, length, value);
    }

    @Override
    public Mapping mapBar(int bar) {
        return null;
    }

    @Override
    public int msixVectors() {
        return 0;
    }

    @Override
    public void connectMsix(int vector, EventFd eventFd) {}

    @Override
    public void connectIntx(EventFd eventFd) {}

    @Override
    public void unmaskIntx() {}

    @Override
    public void reset() throws IOException {
        call(Command.DEVICE_RESET, new byte[0]);
    }

    @Override
    public void close() {
        connection.shutdown();
        mainLoop.interrupt();
        try {
            receiver.join();
            mainLoop.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        connection.close();
    }
}
