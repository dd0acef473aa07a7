package org.virtiobackend.devices.net.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.virtiobackend.devices.net.packet.Frame;

class LoopbackBackendTest {
    /** A worker with both queues would never sleep: each look at one would wake it for the other. */
    @Test
    void receiverIsWokenForFramesOnly() {
        AtomicInteger wakes = new AtomicInteger();
        try (LoopbackBackend backend = new LoopbackBackend(1)) {
            backend.start(channel -> wakes.incrementAndGet(), channel -> {});
            NetChannel channel = backend.channel(0);
            Frame frame = new Frame();
            frame.set(ByteBuffer.allocate(60), 0, 60);
            for (int sent = 0; sent < 3; sent++) {
                assertTrue(channel.flush());
                assertTrue(channel.flush());
                assertEquals(sent, wakes.get());
                assertEquals(0, channel.transmit(frame));
                assertEquals(0, channel.transmit(frame));
                assertTrue(channel.flush());
                assertEquals(sent + 1, wakes.get());
            }
        }
    }
}
