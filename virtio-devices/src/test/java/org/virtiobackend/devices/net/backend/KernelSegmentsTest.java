package org.virtiobackend.devices.net.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.virtiobackend.devices.net.Sample;
import org.virtiobackend.devices.net.Taps;
import org.virtiobackend.devices.net.packet.Frame;
import org.virtiobackend.devices.net.packet.Segmenter;
import org.virtiobackend.posix.IoVec;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.Poller;

/**
 * What the kernel makes of a frame is what we make of it, byte for byte: it goes into one tap, over a bridge, and out of another whose
 * reader copes with no offload.
 */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
class KernelSegmentsTest {
    private static final String ID = Long.toString(ProcessHandle.current().pid() % 1_000_000);
    private static final String BRIDGE = "vbb" + ID;
    private static TapBackend in;
    private static TapBackend out;

    private final NativeBuffer memory = NativeBuffer.allocate(1 << 17);

    @BeforeAll
    static void connect() throws Exception {
        Taps.assumeTheyCanBeMade();
        assumeTrue(ip("link", "add", BRIDGE, "type", "bridge") == 0, "the kernel has bridges");
        ip("link", "set", BRIDGE, "up");
        in = TapBackend.open("vbi" + ID, 1);
        out = TapBackend.open("vbo" + ID, 1);
        assertEquals(0, ip("link", "set", "vbi" + ID, "master", BRIDGE));
        assertEquals(0, ip("link", "set", "vbo" + ID, "master", BRIDGE));
    }

    @AfterAll
    static void disconnect() throws Exception {
        if (out != null) {
            in.close();
            out.close();
            ip("link", "delete", BRIDGE);
        }
    }

    private static int ip(String... arguments) throws IOException, InterruptedException {
        String[] command = new String[arguments.length + 1];
        command[0] = "/sbin/ip";
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        return new ProcessBuilder(command).redirectErrorStream(true).start().waitFor();
    }

    @ParameterizedTest
    @EnumSource
    void kernelCutsAsWeDo(Sample sample) throws Exception {
        Frame frame = new Frame();
        byte[] bytes = sample.frame();
        frame.set(ByteBuffer.wrap(bytes), 0, bytes.length);
        frame.header().read(ByteBuffer.wrap(sample.header()).order(ByteOrder.LITTLE_ENDIAN), 0);
        NetChannel.Scattering from = (NetChannel.Scattering) in.channel(0);
        assertEquals(0, from.transmit(frame));
        List<byte[]> theirs = new ArrayList<>();
        while (theirs.size() < sample.pieces()) {
            theirs.add(next());
        }
        Segmenter segmenter = new Segmenter();
        assertTrue(segmenter.begin(frame));
        Frame piece = new Frame();
        for (byte[] expected : theirs) {
            assertTrue(segmenter.next(piece));
            byte[] ours = new byte[piece.length()];
            piece.bytes().get(piece.offset(), ours);
            assertArrayEquals(expected, ours);
        }
    }

    /** The next frame that is for a sample's address; the bridge says things of its own. */
    private byte[] next() throws Exception {
        NetChannel.Scattering to = (NetChannel.Scattering) out.channel(0);
        IoVec iov = new IoVec();
        while (true) {
            iov.clear();
            iov.add(memory.address(), memory.size());
            long read = to.receive(iov);
            if (read <= 0) {
                Poller poller = new Poller(1);
                poller.add(to.readable(), Poller.POLLIN);
                assertEquals(1, poller.poll(10_000), "a frame in time");
                continue;
            }
            byte[] frame = new byte[(int) read - 12];
            memory.buffer().get(12, frame);
            if (ByteBuffer.wrap(frame).getLong(0) >>> 16 == Sample.DESTINATION) {
                assertEquals(0, memory.buffer().getShort(0), "a complete frame");
                return frame;
            }
        }
    }
}
