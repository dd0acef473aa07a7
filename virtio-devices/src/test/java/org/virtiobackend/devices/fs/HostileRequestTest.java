package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.fuse.FuseOpcode;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** What a hostile driver sends (hostile-driver.md rows 20, 29, 30, 33, 34): each request is refused by itself, and the device goes on. */
class HostileRequestTest {
    @TempDir
    private Path directory;

    private Path root;
    private FsFixture fs;

    @BeforeEach
    void start() throws Exception {
        root = Files.createDirectory(directory.resolve("shared"));
        Files.writeString(directory.resolve("secret"), "secret");
        Files.writeString(root.resolve("f"), "content");
        Files.createDirectory(root.resolve("d"));
        fs = new FsFixture(root, PassthroughOptions.defaults().withLimits(64, 64, 8));
    }

    @AfterEach
    void stop() throws Exception {
        assertEquals(0, fs.lookup(ROOT, "f").error(), "the device goes on");
        fs.close();
        assertEquals("secret", Files.readString(directory.resolve("secret")));
        try (Stream<Path> left = Files.list(directory)) {
            assertEquals(2, left.count(), "nothing made outside");
        }
    }

    // hostile-driver.md row 30
    @ParameterizedTest
    @ValueSource(strings = {".", "..", "/", "../secret", "d/../../secret", "/etc/passwd", "f/", "d/x", ""})
    void namesAreOneComponent(String name) throws Exception {
        long file = fs.node(ROOT, "f");
        List<FuseMessage> requests = List.of(
                fs.message(FUSE_LOOKUP, ROOT).text(name),
                fs.message(FUSE_UNLINK, ROOT).text(name),
                fs.message(FUSE_RMDIR, ROOT).text(name),
                fs.message(FUSE_MKDIR, ROOT).u32(0755).u32(0).text(name),
                fs.message(FUSE_MKNOD, ROOT)
                        .u32(0x8000 | 0644)
                        .u32(0)
                        .u32(0)
                        .u32(0)
                        .text(name),
                fs.message(FUSE_SYMLINK, ROOT).text(name).text("target"),
                fs.message(FUSE_LINK, ROOT).u64(file).text(name),
                fs.message(FUSE_RENAME, ROOT).u64(ROOT).text(name).text("new"),
                fs.message(FUSE_RENAME, ROOT).u64(ROOT).text("f").text(name),
                fs.message(FUSE_RENAME2, ROOT).u64(ROOT).u32(0).u32(0).text("f").text(name),
                fs.createMessage(ROOT, name, O_RDWR, 0644, 0));
        for (FuseMessage request : requests) {
            int error = fs.call(request, 144).error();
            assertEquals(name.isEmpty() ? -Errno.ENOENT : -Errno.EINVAL, error);
        }
    }

    // hostile-driver.md row 30
    @Test
    void namesEndAndAreNotTooLong() throws Exception {
        assertEquals(-Errno.ENAMETOOLONG, fs.lookup(ROOT, "x".repeat(256)).error());
        assertEquals(-Errno.ENOENT, fs.lookup(ROOT, "x".repeat(255)).error());
        assertEquals(
                -Errno.EINVAL,
                fs.call(fs.message(FUSE_LOOKUP, ROOT).bytes("f".getBytes(UTF_8)), 128)
                        .error());
        assertEquals(
                -Errno.EINVAL,
                fs.call(fs.message(FUSE_RENAME, ROOT).u64(ROOT).text("f"), 0).error());
        assertEquals(
                -Errno.EINVAL,
                fs.call(fs.message(FUSE_SYMLINK, ROOT).text("s").bytes((byte) 'x'), 128)
                        .error());
        assertEquals(
                -Errno.ENAMETOOLONG,
                fs.call(fs.message(FUSE_SYMLINK, ROOT).text("s").text("x".repeat(4096)), 128)
                        .error());
        assertEquals(
                -Errno.E2BIG,
                fs.call(fs.message(FUSE_LOOKUP, ROOT).text("x".repeat(100_000)), 128)
                        .error());
    }

    // hostile-driver.md row 33
    @Test
    void forgedNodesAndHandlesNameNothing() throws Exception {
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        long other = fs.node(ROOT, "d");
        for (long forged : new long[] {0, 2 + node, -1, Long.MIN_VALUE, node | 1L << 32, 1L << 31, 0x7fff_ffffL}) {
            assertEquals(-Errno.ESTALE, fs.getattr(forged).error());
            assertEquals(-Errno.ESTALE, fs.lookup(forged, "f").error());
            assertEquals(
                    -Errno.EBADF,
                    fs.read(node, forged == fh ? 99 : forged + 100, 0, 10).error());
        }
        assertEquals(-Errno.EBADF, fs.read(other, fh, 0, 10).error(), "of another file");
        assertEquals(
                -Errno.EBADF, fs.readdir(FUSE_READDIRPLUS, other, fh, 0, 4096).error());
        long dirFh = fs.opendir(other).u64(0);
        assertEquals(-Errno.EISDIR, fs.read(other, dirFh, 0, 10).error());
        assertEquals(-Errno.EBADF, fs.write(other, dirFh, 0, new byte[1]).error());
        assertEquals(-Errno.ENOTDIR, fs.readdir(FUSE_READDIR, node, fh, 0, 4096).error());
        assertEquals(0, fs.release(node, fh).error());
        assertEquals(-Errno.EBADF, fs.read(node, fh, 0, 10).error(), "of the past");
        assertEquals(-Errno.EBADF, fs.release(node, fh).error());
    }

    // hostile-driver.md row 31: what is there is judged by itself, not by its name
    @Test
    void filesAreNoDirectoriesAndLinksAreNotFollowed() throws Exception {
        Files.createSymbolicLink(root.resolve("out"), directory.resolve("secret"));
        Files.createSymbolicLink(root.resolve("up"), Path.of(".."));
        long link = fs.node(ROOT, "out");
        assertEquals(-Errno.ELOOP, fs.open(link, O_RDONLY).error());
        long up = fs.node(ROOT, "up");
        assertEquals(-Errno.ENOTDIR, fs.lookup(up, "secret").error());
        assertEquals(-Errno.ENOTDIR, fs.opendir(up).error());
        assertEquals(-Errno.ENOTDIR, fs.lookup(fs.node(ROOT, "f"), "x").error());
        assertEquals(-Errno.ESTALE, fs.create(ROOT, "out", O_RDWR, 0600).error(), "create through a link: look again");
        assertEquals(-Errno.EINVAL, fs.call(truncate(link), 104).error());
    }

    private FuseMessage truncate(long node) {
        FuseMessage message = fs.message(FUSE_SETATTR, node).u32(8).u32(0);
        for (int i = 0; i < 10; i++) {
            message.u64(0);
        }
        return message;
    }

    // hostile-driver.md row 29
    @Test
    void specialFilesAreNeverOpened() throws Exception {
        for (int type : new int[] {0x1000, 0xc000}) {
            String name = "special" + type;
            fs.call(
                    fs.message(FUSE_MKNOD, ROOT)
                            .u32(type | 0666)
                            .u32(0)
                            .u32(0)
                            .u32(0)
                            .text(name),
                    128);
            long node = fs.node(ROOT, name);
            // an open of a FIFO would wait for its other end: the answer shows that nothing was opened
            assertEquals(-Errno.EACCES, fs.open(node, O_RDONLY).error());
            assertEquals(-Errno.EACCES, fs.open(node, O_WRONLY).error());
            assertEquals(-Errno.ESTALE, fs.create(ROOT, name, O_RDWR, 0600).error(), "look again");
            assertEquals(-Errno.EINVAL, fs.call(truncate(node), 104).error());
            assertEquals(-Errno.ENOTDIR, fs.opendir(node).error());
        }
    }

    // hostile-driver.md row 33
    @Test
    void manyLookupsAreTakenBackByOneForget() throws Exception {
        long node = fs.node(ROOT, "f");
        for (int i = 1; i < 50_000; i++) {
            assertEquals(node, fs.lookup(ROOT, "f").u64(0));
        }
        fs.forget(node, 49_999);
        assertEquals(0, fs.getattr(node).error(), "one is left");
        fs.forget(node, 1);
        assertEquals(-Errno.ESTALE, fs.getattr(node).error());
        assertEquals(1, fs.server.inodeCount());
    }

    // hostile-driver.md row 33
    @Test
    void forgettingMoreThanWasToldForgetsOnce() throws Exception {
        long node = fs.node(ROOT, "f");
        fs.forget(node, -1L);
        assertEquals(-Errno.ESTALE, fs.getattr(node).error());
        fs.forget(node, -1L);
        fs.forget(ROOT, -1L);
        fs.forget(12345, 7);
        assertEquals(0, fs.getattr(ROOT).error());
        assertEquals(1, fs.server.inodeCount());
    }

    // hostile-driver.md row 34
    @Test
    void aBatchForgetsNoMoreThanItCarries() throws Exception {
        long node = fs.node(ROOT, "f");
        FuseMessage batch =
                fs.message(FUSE_BATCH_FORGET, 0).u32(-1).u32(0).u64(node).u64(1);
        fs.hiprio.send(batch, -16);
        fs.await(fs.hiprio);
        assertEquals(-Errno.ESTALE, fs.getattr(node).error());
        fs.hiprio.send(fs.message(FUSE_BATCH_FORGET, 0).u32(1000).u32(0), -16);
        fs.await(fs.hiprio);
    }

    // hostile-driver.md row 33
    @Test
    void thereAreSoManyNodesAndHandlesAndNoMore() throws Exception {
        for (int i = 0; i < 100; i++) {
            Files.createFile(root.resolve("n" + i));
        }
        int refused = 0;
        for (int i = 0; i < 100; i++) {
            FuseAnswer answer = fs.lookup(ROOT, "n" + i);
            refused += answer.error() == -Errno.ENFILE ? 1 : 0;
        }
        assertEquals(37, refused, "63 beside the root");
        assertEquals(103, fs.list(ROOT, true, 4096).size() - 1, "names are listed all the same");
        long first = fs.node(ROOT, "n0");
        for (int i = 0; i < 8; i++) {
            fs.handle(first, O_RDONLY);
        }
        assertEquals(-Errno.ENFILE, fs.open(first, O_RDONLY).error());
        assertEquals(-Errno.ENFILE, fs.opendir(ROOT).error());
        fs.forget(first, 2);
        fs.init(7, 40, -1L);
        assertEquals(0, fs.server.handleCount(), "INIT starts over");
        assertEquals(1, fs.server.inodeCount());
    }

    // hostile-driver.md row 34
    @Test
    void aRequestThatCannotBeAnsweredIsNotBegun() throws Exception {
        for (int opcode = 1; opcode < FuseOpcode.COUNT; opcode++) {
            int least = FuseOpcode.minReplyBytes(opcode);
            if (least == 0) {
                continue;
            }
            FuseMessage message = fs.message(opcode, ROOT);
            for (int i = 0; i < 16; i++) {
                message.u64(0);
            }
            message.text("made");
            assertEquals(-Errno.EINVAL, fs.call(message, least - 1).error(), "opcode " + opcode);
        }
        assertEquals(0, fs.call(fs.message(FUSE_LOOKUP, ROOT).text("f"), -1).usedLength(), "no room for a header");
        assertEquals(0, fs.call(fs.message(FUSE_LOOKUP, ROOT).text("f"), -16).usedLength());
        assertEquals(1, fs.server.inodeCount());
        assertFalse(Files.exists(root.resolve("made")));
    }

    // hostile-driver.md row 20
    @Test
    void aRequestThatIsTooShortIsRefused() throws Exception {
        for (int opcode = 1; opcode < FuseOpcode.COUNT; opcode++) {
            int least = FuseOpcode.minRequestBytes(opcode);
            if (least == 0 || opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET) {
                continue;
            }
            FuseMessage message = fs.message(opcode, ROOT).bytes(new byte[least - 1]);
            assertEquals(-Errno.EINVAL, fs.call(message, 300).error(), "opcode " + opcode);
        }
        for (int bytes = 1; bytes < 40; bytes++) {
            fs.requests.sendRaw(new byte[bytes], 16, ByteOrder.LITTLE_ENDIAN);
            assertEquals(-Errno.EINVAL, fs.await(fs.requests).error());
        }
    }

    @Test
    void theHeadersLengthIsNotBelieved() throws Exception {
        for (int length : new int[] {0, 39, 43, 1000, Integer.MAX_VALUE, -1}) {
            byte[] request = fs.message(FUSE_LOOKUP, ROOT).text("f").build(8);
            ByteBuffer.wrap(request).order(ByteOrder.LITTLE_ENDIAN).putInt(0, length);
            fs.requests.sendRaw(request, 144, ByteOrder.LITTLE_ENDIAN);
            assertEquals(-Errno.EINVAL, fs.await(fs.requests).error());
        }
        byte[] request = fs.message(FUSE_LOOKUP, ROOT).text("f").build(8);
        request[36] = (byte) 0xff; // extensions longer than the request
        fs.requests.sendRaw(request, 144, ByteOrder.LITTLE_ENDIAN);
        assertEquals(-Errno.EINVAL, fs.await(fs.requests).error());
    }

    // hostile-driver.md row 34
    @Test
    void sizesAreNotBelieved() throws Exception {
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        FuseMessage read =
                fs.message(FUSE_READ, node).u64(fh).u64(0).u32(-1).u32(0).u64(0).u64(0);
        assertEquals("cont", new String(fs.call(read, 4).bytes(0), UTF_8), "no more than there is room");
        FuseMessage write = fs.message(FUSE_WRITE, node)
                .u64(fh)
                .u64(0)
                .u32(100)
                .u32(0)
                .u64(0)
                .u64(0);
        assertEquals(-Errno.EINVAL, fs.call(write.bytes(new byte[99]), 8).error());
        FuseMessage huge = fs.message(FUSE_WRITE, node)
                .u64(fh)
                .u64(0)
                .u32(-1)
                .u32(0)
                .u64(0)
                .u64(0);
        assertEquals(-Errno.EINVAL, fs.call(huge, 8).error());
        FuseMessage negative = fs.message(FUSE_WRITE, node)
                .u64(fh)
                .u64(-5)
                .u32(1)
                .u32(0)
                .u64(0)
                .u64(0);
        assertEquals(-Errno.EINVAL, fs.call(negative.bytes((byte) 1), 8).error());
        FuseMessage xattr = fs.message(FUSE_SETXATTR, node)
                .u32(5000)
                .u32(0)
                .u64(0)
                .text("user.a")
                .bytes(new byte[10]);
        assertEquals(-Errno.EINVAL, fs.call(xattr, 0).error());
        assertEquals("content", Files.readString(root.resolve("f")));
        assertEquals(
                0,
                fs.readdir(FUSE_READDIR, ROOT, fs.opendir(ROOT).u64(0), 0, 0)
                        .body()
                        .limit());
        assertEquals(-Errno.EINVAL, fs.call(fs.message(FUSE_READLINK, node), 0).error());
    }

    @Test
    void unknownRequestsAreNotImplemented() throws Exception {
        for (int opcode : new int[] {0, 7, 19, 37, 41, 48, 49, 54, 4096, -1}) {
            assertEquals(
                    -Errno.ENOSYS,
                    fs.call(fs.message(opcode, ROOT).bytes(new byte[100]), 300).error());
        }
    }

    @Test
    void noiseIsAnswered() {
        Random random = new Random(6);
        for (int i = 0; i < 3000; i++) {
            byte[] noise = new byte[random.nextInt(300)];
            random.nextBytes(noise);
            if (noise.length >= 40) {
                ByteBuffer header = ByteBuffer.wrap(noise).order(ByteOrder.LITTLE_ENDIAN);
                header.putInt(0, noise.length).putInt(4, randomOpcode(random)).putLong(16, random.nextInt(4));
                header.putInt(24, 0).putInt(28, 0).putShort(36, (short) random.nextInt(4));
            }
            fs.requests.sendRaw(noise, random.nextInt(400) + 16, ByteOrder.LITTLE_ENDIAN);
            fs.await(fs.requests);
        }
    }

    /** Not INIT and DESTROY, which would end the session, and no sync of the whole host. */
    private static int randomOpcode(Random random) {
        int opcode = random.nextInt(60);
        return opcode == FUSE_INIT || opcode == FUSE_DESTROY || opcode == FUSE_SYNCFS ? FUSE_GETATTR : opcode;
    }
}
