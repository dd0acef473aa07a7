package org.virtiobackend.devices.net;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.virtiobackend.devices.net.NetFixture.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.net.backend.LoopbackBackend;
import org.virtiobackend.devices.net.packet.PcapFile;

@Timeout(value = 60, unit = TimeUnit.SECONDS)
class DumpTest {
    @TempDir
    private Path directory;

    @Test
    void captureHoldsEveryFrameOnItsWayOutAndIn() throws Exception {
        Path file = directory.resolve("frames.pcap");
        PcapFile dump = PcapFile.create(file);
        LoopbackBackend backend = new LoopbackBackend(1);
        NetSettings settings = new NetSettings(MAC, 0, 1, QUEUE_SIZE);
        long before = System.currentTimeMillis() / 1000;
        try (NetFixture net = new NetFixture(backend, settings, PLAIN, 0, dump)) {
            net.addBuffers(0, 64, 1526);
            for (int size : new int[] {14, 1514, 60_000}) {
                net.sendPlain(1, frame(size));
                net.receive(0);
            }
        }
        dump.close();
        ByteBuffer capture = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        assertEquals(0xa1b23c4d, capture.getInt(), "nanoseconds");
        assertEquals(0x0004_0002, capture.getInt(), "version 2.4");
        assertEquals(1, capture.getInt(20), "Ethernet");
        capture.position(24);
        List<byte[]> frames = new ArrayList<>();
        while (capture.hasRemaining()) {
            long age = capture.getInt() - before;
            assertEquals(0, Math.max(0, age - 60), "of now");
            capture.getInt();
            byte[] frame = new byte[capture.getInt()];
            assertEquals(frame.length, capture.getInt());
            capture.get(frame);
            frames.add(frame);
        }
        assertEquals(6, frames.size());
        for (int i = 0; i < 6; i += 2) {
            byte[] expected = frame(new int[] {14, 1514, 60_000}[i / 2]);
            assertArrayEquals(expected, frames.get(i));
            assertArrayEquals(expected, frames.get(i + 1));
        }
    }
}
