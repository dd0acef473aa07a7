package org.virtiobackend.vfiouser.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.EventFd;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.MemFd;
import org.virtiobackend.vfiouser.client.RawConnection;
import org.virtiobackend.vfiouser.client.RawMessage;
import org.virtiobackend.vfiouser.client.VfioUserClient;
import org.virtiobackend.vfiouser.wire.Command;
import org.virtiobackend.vfiouser.wire.MessageHeader;

/** Good streams, damaged at random from a fixed seed. Hostile driver list, row 36. */
@Timeout(240)
class HostileStreamTest {
    private static final int STREAMS = 250;
    private static final int[] INTERESTING = {0, 1, 2, 15, 16, 17, 31, 32, 0x7f, 0x80, 0xff};

    private Random random;
    private MemFd memory;
    private EventFd eventFd;

    @ParameterizedTest
    @ValueSource(longs = {1, 20_240_229, 0xC0FFEE, 77})
    void noStreamHarmsTheServerOrAnotherClient(long seed, @TempDir Path directory) throws Exception {
        random = new Random(seed);
        memory = MemFd.create("guest", 1 << 20);
        eventFd = EventFd.create();
        try (TestServer server = new TestServer(directory);
                VfioUserClient other = server.client()) {
            server.function();
            other.regionWrite(0, 0, 8, seed, false);
            int fds = TestServer.openFds();
            int mapped = 0;
            for (int i = 0; i < STREAMS; i++) {
                String what = "seed " + seed + ", stream " + i;
                mapped += attack(server) ? 1 : 0;
                assertEquals(seed, other.regionRead(0, 0, 8), what);
                int clients = 2 + i;
                TestServer.await(
                        what + " is over",
                        () -> server.server.acceptedCount() == clients && server.server.sessionCount() == 1);
                TestServer.awaitFds(fds);
            }
            assertTrue(mapped >= STREAMS / 4, mapped + " streams got as far as a mapping");
        } finally {
            memory.close();
            eventFd.close();
        }
    }

    /** True when the server has mapped memory for it. */
    private boolean attack(TestServer server) throws IOException {
        List<byte[]> messages = goodStream();
        int damages = 1 + random.nextInt(4);
        for (int i = 0; i < damages; i++) {
            damage(messages);
        }
        try (RawConnection client = server.raw()) {
            sendAll(client, messages);
            client.shutdownSending();
            return readToTheEnd(client);
        }
    }

    private void sendAll(RawConnection client, List<byte[]> messages) throws IOException {
        try {
            for (byte[] message : messages) {
                sendSomehow(client, message);
            }
        } catch (ErrnoException e) {
            // The server has closed a broken stream.
            assertTrue(e.errno() == Errno.EPIPE || e.errno() == Errno.ECONNRESET, e.getMessage());
        }
    }

    private static boolean readToTheEnd(RawConnection client) throws IOException {
        boolean mapped = false;
        while (true) {
            try (RawMessage reply = client.receive()) {
                if (reply == null) {
                    return mapped;
                }
                mapped |= reply.command() == Command.DMA_MAP && reply.isReply() && !reply.isError();
            } catch (ErrnoException e) {
                if (e.errno() != Errno.ECONNRESET) { // it has closed the stream without reading all of it
                    throw e;
                }
                return mapped;
            }
        }
    }

    private void sendSomehow(RawConnection client, byte[] message) throws IOException {
        Fd[] fds = new Fd[random.nextInt(8) == 0 ? random.nextInt(32) : random.nextInt(3)];
        for (int i = 0; i < fds.length; i++) {
            fds[i] = random.nextBoolean() ? memory.fd() : eventFd.fd();
        }
        if (message.length == 0) {
            return;
        }
        int cut = random.nextInt(4) == 0 ? random.nextInt(message.length) : 0;
        if (cut > 0) {
            client.send(message, 0, cut, fds);
            client.send(message, cut, message.length - cut);
        } else {
            client.send(message, fds);
        }
    }

    private void damage(List<byte[]> messages) {
        int n = random.nextInt(messages.size());
        byte[] message = messages.get(n);
        switch (random.nextInt(9)) {
            case 0 -> flip(message);
            case 1 -> set(message, random.nextInt(Math.max(1, message.length)));
            case 2 -> set(message, 4 + random.nextInt(4)); // the size
            case 3 -> set(message, 8 + random.nextInt(2)); // the flags
            case 4 -> messages.set(n, Bytes.cut(message, random.nextInt(message.length + 1)));
            case 5 -> messages.add(n, message.clone());
            case 6 -> messages.remove(messages.size() > 1 ? n : 0);
            case 7 -> {
                byte[] noise = new byte[random.nextInt(200)];
                random.nextBytes(noise);
                messages.add(n, noise);
            }
            default -> {
                byte[] payload = new byte[random.nextInt(80)];
                random.nextBytes(payload);
                int flags = random.nextInt(4) == 0 ? MessageHeader.FLAG_NO_REPLY : 0;
                messages.add(RawMessage.encode(random.nextInt(0x10000), random.nextInt(24), flags, 0, payload));
            }
        }
        if (messages.isEmpty()) {
            messages.add(new byte[] {1});
        }
    }

    private void flip(byte[] message) {
        if (message.length > 0) {
            message[random.nextInt(message.length)] ^= (byte) (1 << random.nextInt(8));
        }
    }

    private void set(byte[] message, int at) {
        if (at < message.length) {
            message[at] = (byte) INTERESTING[random.nextInt(INTERESTING.length)];
        }
    }

    private static List<byte[]> goodStream() {
        List<byte[]> stream = new ArrayList<>();
        byte[] json = "{\"capabilities\":{\"max_msg_fds\":8,\"pgsizes\":4096}}\0".getBytes();
        stream.add(RawMessage.command(
                1, Command.VERSION, Bytes.of().u16(0).u16(1).raw(json).get()));
        stream.add(RawMessage.command(
                2,
                Command.DMA_MAP,
                Bytes.of().u32(32, 3).u64(0, 0x10000, 1 << 20).get()));
        stream.add(RawMessage.command(
                3,
                Command.DMA_MAP,
                Bytes.of().u32(32, 3).u64(0, 0x8000_0000L, 8192).get()));
        stream.add(RawMessage.command(
                4, Command.DEVICE_GET_INFO, Bytes.of().u32(16, 0, 0, 0).get()));
        for (int region = 0; region < 9; region++) {
            byte[] info = Bytes.of().u32(80, 0, region, 0).u64(0, 0).get();
            stream.add(RawMessage.command(5, Command.DEVICE_GET_REGION_INFO, info));
        }
        stream.add(RawMessage.command(
                6, Command.DEVICE_GET_IRQ_INFO, Bytes.of().u32(16, 0, 2, 0).get()));
        stream.add(RawMessage.command(
                7, Command.DEVICE_SET_IRQS, Bytes.of().u32(20, 0x24, 2, 0, 1).get()));
        stream.add(RawMessage.command(
                8,
                Command.DEVICE_SET_IRQS,
                Bytes.of().u32(22, 0x22, 2, 0, 2).u8(1, 1).get()));
        stream.add(RawMessage.command(
                9, Command.REGION_READ, Bytes.of().u64(0).u32(7, 256).get()));
        stream.add(RawMessage.command(
                10, Command.REGION_WRITE, Bytes.of().u64(4).u32(7, 4, 7).get()));
        byte[] multi = Bytes.of().u64(1).u64(0).u32(0, 4).u64(1).get();
        stream.add(RawMessage.command(11, Command.REGION_WRITE_MULTI, multi));
        stream.add(RawMessage.command(
                12,
                Command.DEVICE_GET_REGION_IO_FDS,
                Bytes.of().u32(16, 0, 0, 0).get()));
        stream.add(RawMessage.command(
                13, Command.DEVICE_FEATURE, Bytes.of().u32(16, 0x10001).u64(0).get()));
        stream.add(RawMessage.command(
                14,
                Command.DMA_UNMAP,
                Bytes.of().u32(24, 0).u64(0x10000, 1 << 20).get()));
        stream.add(RawMessage.command(15, Command.DEVICE_RESET, new byte[0]));
        stream.add(RawMessage.command(
                16, Command.DMA_UNMAP, Bytes.of().u32(24, 2).u64(0, 0).get()));
        return stream;
    }
}
