package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** What a driver does with a tree of files, and what the host then finds. */
class FileTreeTest {
    @TempDir
    private Path root;

    private FsFixture fs;

    @BeforeEach
    void start() throws Exception {
        fs = new FsFixture(root, PassthroughOptions.defaults());
    }

    @AfterEach
    void stop() {
        fs.close();
    }

    @Test
    void looksUpWhatIsThereAndNothingElse() throws Exception {
        Files.writeString(root.resolve("a"), "hello");
        FuseAnswer found = fs.lookup(ROOT, "a");
        assertEquals(0, found.error());
        assertEquals(Files.getAttribute(root.resolve("a"), "unix:ino"), found.u64(40));
        assertEquals(5, found.u64(48));
        assertEquals(-Errno.ENOENT, fs.lookup(ROOT, "b").error());
    }

    @Test
    void tellsTheSameNodeForTheSameFile() throws Exception {
        Files.writeString(root.resolve("a"), "hello");
        Files.createLink(root.resolve("b"), root.resolve("a"));
        assertEquals(fs.node(ROOT, "a"), fs.node(ROOT, "b"));
        assertEquals(2, fs.server.inodeCount());
    }

    @Test
    void forgetsWhenAllLookupsAreTakenBack() throws Exception {
        Files.writeString(root.resolve("a"), "hello");
        long node = fs.node(ROOT, "a");
        fs.node(ROOT, "a");
        fs.forget(node, 1);
        assertEquals(0, fs.getattr(node).error());
        fs.forget(node, 1);
        assertEquals(-Errno.ESTALE, fs.getattr(node).error());
        assertEquals(1, fs.server.inodeCount());
        assertNotEquals(node, fs.node(ROOT, "a"), "a number of the past");
    }

    @Test
    void createsWritesReadsBack() throws Exception {
        FuseAnswer created = fs.create(ROOT, "new", O_RDWR, 0640);
        long node = entry(created);
        long fh = created.u64(128);
        byte[] data = new byte[300_000];
        new Random(1).nextBytes(data);
        FuseAnswer written = fs.write(node, fh, 5, data);
        assertEquals(0, written.error());
        assertEquals(data.length, written.u32(0));
        assertArrayEquals(data, fs.read(node, fh, 5, data.length).bytes(0));
        assertEquals(10, fs.read(node, fh, data.length - 5, 4096).body().limit(), "short at the end");
        assertEquals(0, fs.read(node, fh, 1 << 20, 4096).body().limit());
        assertEquals(0, fs.release(node, fh).error());
        byte[] host = Files.readAllBytes(root.resolve("new"));
        assertEquals(data.length + 5, host.length);
        assertEquals(0640, (int) Files.getAttribute(root.resolve("new"), "unix:mode") & 07777);
    }

    @Test
    void opensWhatIsThereOnCreateUnlessExclusive() throws Exception {
        Files.writeString(root.resolve("a"), "hello");
        FuseAnswer opened = fs.create(ROOT, "a", O_RDWR, 0600);
        assertArrayEquals(
                "hello".getBytes(UTF_8),
                fs.read(entry(opened), opened.u64(128), 0, 100).bytes(0));
        assertEquals(-Errno.EEXIST, fs.create(ROOT, "a", O_RDWR | 0x80, 0600).error());
    }

    @Test
    void makesAndRemovesDirectoriesAndFiles() throws Exception {
        long directory = entry(fs.mkdir(ROOT, "d", 0755));
        fs.create(directory, "f", O_RDWR, 0644);
        assertEquals(
                -Errno.ENOTEMPTY,
                fs.call(fs.message(FUSE_RMDIR, ROOT).text("d"), 0).error());
        assertEquals(
                -Errno.EISDIR,
                fs.call(fs.message(FUSE_UNLINK, ROOT).text("d"), 0).error());
        assertEquals(0, fs.call(fs.message(FUSE_UNLINK, directory).text("f"), 0).error());
        assertEquals(0, fs.call(fs.message(FUSE_RMDIR, ROOT).text("d"), 0).error());
        assertFalse(Files.exists(root.resolve("d")));
    }

    @Test
    void renamesExchangesAndRefusesToReplace() throws Exception {
        Files.writeString(root.resolve("a"), "A");
        Files.writeString(root.resolve("b"), "B");
        assertEquals(-Errno.EEXIST, rename2("a", "b", 1));
        assertEquals(0, rename2("a", "b", 2));
        assertEquals("B", Files.readString(root.resolve("a")));
        assertEquals(
                0,
                fs.call(fs.message(FUSE_RENAME, ROOT).u64(ROOT).text("a").text("c"), 0)
                        .error());
        assertEquals("B", Files.readString(root.resolve("c")));
        assertEquals(-Errno.EINVAL, rename2("b", "c", 8));
    }

    private int rename2(String from, String to, int flags) throws Exception {
        return fs.call(
                        fs.message(FUSE_RENAME2, ROOT)
                                .u64(ROOT)
                                .u32(flags)
                                .u32(0)
                                .text(from)
                                .text(to),
                        0)
                .error();
    }

    @Test
    void linksSymbolicallyAndHard() throws Exception {
        long link = entry(fs.call(fs.message(FUSE_SYMLINK, ROOT).text("s").text("nowhere"), 128));
        FuseAnswer target = fs.call(fs.message(FUSE_READLINK, link), 4096);
        assertArrayEquals("nowhere".getBytes(UTF_8), target.bytes(0));
        Files.writeString(root.resolve("a"), "A");
        long file = fs.node(ROOT, "a");
        assertEquals(file, entry(fs.call(fs.message(FUSE_LINK, ROOT).u64(file).text("b"), 128)));
        assertTrue(Files.isSameFile(root.resolve("a"), root.resolve("b")));
        assertEquals(file + 0, fs.node(ROOT, "b"));
        assertEquals(
                0,
                fs.call(fs.message(FUSE_LINK, ROOT).u64(link).text("s2"), 128).error());
        assertTrue(Files.isSymbolicLink(root.resolve("s2")), "a link to the link itself");
    }

    @Test
    void setsAttributes() throws Exception {
        Files.writeString(root.resolve("a"), "0123456789");
        long node = fs.node(ROOT, "a");
        FuseAnswer answer = setattr(node, 1 | 8 | 16 | 32, 4, 1_000_000_000L, 5, 1_100_000_000L, 6, 0604);
        assertEquals(0, answer.error());
        assertEquals(4, answer.u64(16 + 8));
        Path file = root.resolve("a");
        assertEquals("0123", Files.readString(file));
        assertEquals(0604, (int) Files.getAttribute(file, "unix:mode") & 07777);
        assertEquals(1_000_000_000L, answer.u64(16 + 24));
        assertEquals(1_100_000_000L, answer.u64(16 + 32));
        assertEquals(5, answer.u32(16 + 48));
        assertEquals(6, answer.u32(16 + 52));
        assertEquals(1_100_000_000L, Files.getLastModifiedTime(file).toInstant().getEpochSecond());
    }

    private FuseAnswer setattr(
            long node, int valid, long size, long atime, int aNanos, long mtime, int mNanos, int mode)
            throws Exception {
        return fs.call(
                fs.message(FUSE_SETATTR, node)
                        .u32(valid)
                        .u32(0)
                        .u64(0)
                        .u64(size)
                        .u64(0)
                        .u64(atime)
                        .u64(mtime)
                        .u64(0)
                        .u32(aNanos)
                        .u32(mNanos)
                        .u32(0)
                        .u32(mode)
                        .u32(0)
                        .u32(0)
                        .u32(0)
                        .u32(0),
                104);
    }

    @Test
    void listsDirectoriesWithRepliesOfAnySize() throws Exception {
        Set<String> names = new TreeSet<>(Set.of(".", ".."));
        for (int i = 0; i < 500; i++) {
            String name = "file" + "x".repeat(i % 200) + i;
            Files.createFile(root.resolve(name));
            names.add(name);
        }
        assertEquals(names, new TreeSet<>(fs.list(ROOT, false, 4096).keySet()));
        Map<String, Long> plus = fs.list(ROOT, true, 65536);
        assertEquals(names, new TreeSet<>(plus.keySet()));
        assertEquals(501, fs.server.inodeCount());
        assertEquals(0, plus.get("."));
        assertEquals(plus.get("file0"), fs.node(ROOT, "file0"));
        assertEquals(names, new TreeSet<>(fs.list(ROOT, true, 512).keySet()));
        assertEquals(0, fs.server.handleCount());
    }

    @Test
    void rootsParentIsTheRoot() throws Exception {
        Map<String, Long> names = fs.list(ROOT, false, 4096);
        assertEquals(Files.getAttribute(root, "unix:ino"), names.get(".."));
    }

    @Test
    void tellsOfTheFileSystem() throws Exception {
        FuseAnswer answer = fs.call(fs.message(FUSE_STATFS, ROOT), 80);
        assertEquals(0, answer.error());
        long blockBytes = answer.u32(48);
        assertEquals(Files.getFileStore(root).getTotalSpace(), answer.u64(0) * blockBytes);
        assertEquals(255, answer.u32(44));
    }

    @Test
    void syncsOnTheIoPool() throws Exception {
        FuseAnswer created = fs.create(ROOT, "f", O_RDWR, 0600);
        long node = entry(created);
        assertEquals(
                0,
                fs.call(
                                fs.message(FUSE_FSYNC, node)
                                        .u64(created.u64(128))
                                        .u32(1)
                                        .u32(0),
                                0)
                        .error());
        byte[] large = new byte[1 << 20];
        new Random(2).nextBytes(large);
        assertEquals(1 << 20, fs.write(node, created.u64(128), 0, large).u32(0));
        assertArrayEquals(large, Files.readAllBytes(root.resolve("f")));
    }

    @Test
    void makesFilesWithoutANameAndNamesThem() throws Exception {
        FuseMessage tmpfile =
                fs.message(FUSE_TMPFILE, ROOT).u32(O_RDWR).u32(0640).u32(0).u32(0);
        FuseAnswer made = fs.call(tmpfile.text(""), 144);
        assumeTrue(made.error() != -Errno.EOPNOTSUPP, "O_TMPFILE on this file system");
        long node = entry(made);
        assertEquals(3, fs.write(node, made.u64(128), 0, "abc".getBytes(UTF_8)).u32(0));
        try (Stream<Path> all = Files.list(root)) {
            assertEquals(0, all.count());
        }
        assertEquals(node, entry(fs.call(fs.message(FUSE_LINK, ROOT).u64(node).text("named"), 128)));
        assertEquals("abc", Files.readString(root.resolve("named")));
        FuseMessage never = fs.message(FUSE_TMPFILE, ROOT).u32(O_RDWR | 0x80).u32(0600);
        long unnamed = entry(fs.call(never.u32(0).u32(0).text(""), 144));
        FuseAnswer refused = fs.call(fs.message(FUSE_LINK, ROOT).u64(unnamed).text("other"), 128);
        assertEquals(-Errno.ENOENT, refused.error(), "O_EXCL: it never gets a name");
    }

    // hostile-driver.md row 35
    @Test
    void makesNodesButNoDevices() throws Exception {
        assertEquals(0, mknod("fifo", 0x1000 | 0600, 0));
        assertEquals(0, mknod("file", 0x8000 | 0600, 0));
        assertEquals(0, mknod("socket", 0xc000 | 0600, 0));
        assertEquals(-Errno.EPERM, mknod("null", 0x2000 | 0600, 0x103));
        assertEquals(-Errno.EPERM, mknod("disk", 0x6000 | 0600, 0xfe00));
        assertTrue(Files.readAttributes(root.resolve("fifo"), "unix:mode", LinkOption.NOFOLLOW_LINKS)
                        .get("mode")
                != null);
        assertFalse(Files.exists(root.resolve("null")));
    }

    private int mknod(String name, int mode, int device) throws Exception {
        return fs.call(
                        fs.message(FUSE_MKNOD, ROOT)
                                .u32(mode)
                                .u32(device)
                                .u32(0)
                                .u32(0)
                                .text(name),
                        128)
                .error();
    }
}
