package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.lang.reflect.Proxy;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.backend.NetBackend;
import org.virtiobackend.devices.net.backend.NetChannel;
import org.virtiobackend.devices.net.packet.Frame;

/** A frame that becomes very many pieces takes its turns like any other. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class PieceTurnsTest {
    private static final NetSettings SETTINGS = new NetSettings(MAC, 0, 1, QUEUE_SIZE);
    private static final int PAYLOAD = 60_000;
    private static final int HEADERS = 54;
    private static final long BATCH_BYTES = 1 << 16;

    /** Bytes of pieces since the last flush, and the most of them that there were. */
    private long bytes;

    private volatile long most;
    private final AtomicLong pieces = new AtomicLong();
    private final AtomicBoolean isFull = new AtomicBoolean();

    /** A loop without offloads, whose pieces go no further. */
    private NetBackend sink(LoopbackBackend loop) {
        Object channel = Proxy.newProxyInstance(
                getClass().getClassLoader(), new Class<?>[] {NetChannel.Buffered.class}, (self, method, arguments) -> {
                    if (method.getName().equals("transmit") && arguments[0] instanceof Frame piece) {
                        return transmit(piece);
                    }
                    if (method.getName().equals("flush")) {
                        bytes = 0;
                    }
                    return method.invoke(loop.channel(0), arguments);
                });
        return (NetBackend) Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {NetBackend.class},
                (self, method, arguments) ->
                        method.getName().equals("channel") ? channel : method.invoke(loop, arguments));
    }

    private int transmit(Frame piece) {
        if (isFull.get()) {
            return NetChannel.WOULD_BLOCK;
        }
        bytes += piece.length();
        most = Math.max(most, bytes);
        pieces.incrementAndGet();
        return 0;
    }

    private static byte[] cutIntoBytes() {
        byte[] headerAndFrame = Packets.tcpToCut(0, 1111, PAYLOAD);
        headerAndFrame[4] = 1; // gso_size
        headerAndFrame[5] = 0;
        return headerAndFrame;
    }

    @Test
    void piecesOfAFrameAreSentABatchAtATime() throws Exception {
        try (NetFixture net = new NetFixture(sink(new LoopbackBackend(1, 0, 0)), SETTINGS, PLAIN, 0)) {
            net.addBuffers(0, 4, 1526);
            net.send(1, cutIntoBytes());
            net.awaitSent(1);
            net.sendPlain(1, frame(99)); // behind all pieces
            assertArrayEquals(frame(99), net.receive(0).frame());
            assertEquals(PAYLOAD, pieces.get());
            assertTrue(most <= BATCH_BYTES + HEADERS + 1, most + " bytes in one turn");
        }
    }

    /** Nobody else looks at the queue: the driver has nothing more to send. */
    @Test
    void piecesThatAreLeftNeedNoNotification() throws Exception {
        try (NetFixture net = new NetFixture(sink(new LoopbackBackend(1, 0, 0)), SETTINGS, PLAIN, 0)) {
            isFull.set(true);
            net.send(1, cutIntoBytes());
            net.awaitSent(1);
            net.awaitAsleep();
            isFull.set(false);
            net.runtime.wake(1);
            net.await(() -> pieces.get() == PAYLOAD, "all pieces");
        }
    }

    @Test
    void restOfAFrameIsDroppedWithoutALink() throws Exception {
        LoopbackBackend loop = new LoopbackBackend(1, 0, 0);
        try (NetFixture net = new NetFixture(loop)) {
            net.addBuffers(0, 4, 1526);
            loop.setLinkUp(false);
            net.send(1, Packets.tcpToCut(0, 1111, PAYLOAD));
            net.awaitSent(1);
            loop.setLinkUp(true);
            net.sendPlain(1, frame(99));
            assertArrayEquals(frame(99), net.receive(0).frame());
            assertEquals(1, net.device.counters().transmitDropped());
        }
    }
}
