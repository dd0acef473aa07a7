package org.virtiobackend.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.cli.EmbeddedShare.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.ErrnoException;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileIo;
import org.virtiobackend.posix.Landlock;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.posix.ProcFd;

/** The kernel refuses what lies outside the shared directory, whatever the program above it does wrong. */
@Timeout(value = 90, unit = TimeUnit.SECONDS)
class FsSandboxTest {
    private static final EmbeddedDisk.Shape DISK = new EmbeddedDisk.Shape(4, 4096, BufferPlace.guest, true);

    @TempDir
    private Path directory;

    private Path shared;
    private final List<NativeBuffer> names = new ArrayList<>();

    @BeforeEach
    void files() throws Exception {
        int version = Landlock.version();
        assumeTrue(version >= FsSandbox.RENAMES, "landlock of this kernel has version " + version);
        shared = Files.createDirectory(directory.resolve("shared"));
        Files.createDirectory(shared.resolve("d"));
        Files.writeString(shared.resolve("d/f"), "content");
        Files.writeString(shared.resolve("f"), "inside");
        Files.createDirectory(directory.resolve("outside"));
        Files.writeString(directory.resolve("outside/secret"), "secret");
    }

    private interface Body {
        void run(Fd root) throws Exception;
    }

    /** Runs something in a thread that is shut in. */
    private void shutIn(boolean readOnly, Body body) throws Exception {
        try (Fd root = FileIo.open(shared.toString(), DirectoryIo.O_PATH, 0);
                FsSandbox sandbox = FsSandbox.enter(List.of(new FsSandbox.Tree(root, readOnly, false, true)))) {
            sandbox.execute(() -> {
                try {
                    body.run(root);
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
            });
        }
    }

    /** A path in memory, for a call that nothing of this program has judged. */
    private long path(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        NativeBuffer name = NativeBuffer.allocate(bytes.length + 1L);
        name.buffer().put(0, bytes);
        names.add(name);
        return name.address();
    }

    private static int open(Path path, int flags) {
        try {
            FileIo.open(path.toString(), flags, 0600).close();
            return 0;
        } catch (ErrnoException e) {
            return -e.errno();
        }
    }

    @Test
    void whatIsOutsideIsRefusedByTheKernel() throws Exception {
        Path outside = directory.resolve("outside");
        ProcFd proc = new ProcFd();
        try (Fd secret = FileIo.open(outside.resolve("secret").toString(), DirectoryIo.O_PATH, 0)) {
            assertEquals(0, open(outside.resolve("secret"), FileIo.O_RDWR), "before");
            shutIn(false, root -> {
                int at = root.value();
                int denied = -Errno.EACCES;
                assertEquals(denied, open(outside.resolve("secret"), FileIo.O_RDONLY));
                assertEquals(denied, open(outside.resolve("secret"), FileIo.O_WRONLY));
                assertEquals(denied, open(outside.resolve("made"), FileIo.O_WRONLY | FileIo.O_CREAT));
                assertEquals(denied, open(outside, FileIo.O_RDONLY | FileIo.O_DIRECTORY));
                assertEquals(denied, open(Path.of("/etc/passwd"), FileIo.O_RDONLY));
                assertEquals(denied, proc.reopen(secret.value(), FileIo.O_RDONLY), "a descriptor of a bug");
                assertEquals(denied, DirectoryIo.create(at, path("../outside/made"), FileIo.O_RDWR, 0600));
                assertEquals(denied, DirectoryIo.makeDirectory(at, path("../outside/made"), 0700));
                assertEquals(denied, DirectoryIo.makeNode(at, path("../outside/made"), 0x1000 | 0600, 0));
                assertEquals(denied, DirectoryIo.makeSymlink(path("x"), at, path("../outside/made")));
                assertEquals(denied, DirectoryIo.remove(at, path("../outside/secret"), 0));
                assertTrue(DirectoryIo.rename(at, path("../outside/secret"), at, path("got"), 0) < 0);
                assertTrue(DirectoryIo.rename(at, path("f"), at, path("../outside/made"), 0) < 0);
                assertTrue(DirectoryIo.link(proc, secret.value(), at, path("got")) < 0);
            });
        }
        assertEquals("secret", Files.readString(outside.resolve("secret")));
        try (Stream<Path> left = Files.list(outside)) {
            assertEquals(1, left.count(), "nothing made outside");
        }
        assertEquals("inside", Files.readString(shared.resolve("f")));
        assertFalse(Files.exists(shared.resolve("got")));
    }

    @Test
    void insideEverythingGoesOn() throws Exception {
        String before = noNewPrivileges();
        shutIn(false, root -> {
            int at = root.value();
            assertEquals(0, open(shared.resolve("f"), FileIo.O_RDWR | FileIo.O_TRUNC));
            assertEquals(0, DirectoryIo.makeDirectory(at, path("new"), 0700));
            assertEquals(0, open(shared.resolve("new/g"), FileIo.O_WRONLY | FileIo.O_CREAT));
            assertEquals(0, DirectoryIo.rename(at, path("f"), at, path("new/f"), 0), "into another directory");
            assertEquals(0, DirectoryIo.makeSymlink(path("anywhere"), at, path("link")));
            assertEquals(0, DirectoryIo.makeNode(at, path("fifo"), 0x1000 | 0600, 0));
            assertEquals(0, DirectoryIo.remove(at, path("new/g"), 0));
            assertEquals("1", noNewPrivileges(), "no privileges by exec");
        });
        assertTrue(Files.exists(shared.resolve("new/f")));
        assertEquals(before, noNewPrivileges(), "this thread was not shut in");
    }

    /** Of this thread; 1 from the beginning where whoever runs the tests has it so. */
    private static String noNewPrivileges() throws IOException {
        return Files.readAllLines(Path.of("/proc/thread-self/status")).stream()
                .filter(line -> line.startsWith("NoNewPrivs:"))
                .findFirst()
                .orElseThrow()
                .split("\t")[1];
    }

    @Test
    void readOnlyMeansThatTheKernelDeniesEveryChange() throws Exception {
        shutIn(true, root -> {
            int at = root.value();
            assertEquals(0, open(shared.resolve("f"), FileIo.O_RDONLY));
            assertEquals(-Errno.EACCES, open(shared.resolve("f"), FileIo.O_WRONLY));
            assertEquals(-Errno.EACCES, open(shared.resolve("g"), FileIo.O_WRONLY | FileIo.O_CREAT));
            assertEquals(-Errno.EACCES, DirectoryIo.makeDirectory(at, path("new"), 0700));
            assertEquals(-Errno.EACCES, DirectoryIo.remove(at, path("f"), 0));
            assertEquals(-Errno.EACCES, DirectoryIo.rename(at, path("f"), at, path("g"), 0));
        });
        assertEquals("inside", Files.readString(shared.resolve("f")));
    }

    private BackendProcess backend(String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "fs",
                "--socket-path=" + directory.resolve("socket"),
                "--shared-dir=" + shared,
                "--tag=share",
                "--sandbox=landlock"));
        arguments.addAll(List.of(more));
        return BackendProcess.start(arguments);
    }

    @Test
    void whatTheHostMovesOutCanNeitherBeOpenedNorChanged() throws Exception {
        try (BackendProcess backend = backend();
                EmbeddedShare share =
                        EmbeddedShare.attach(directory.resolve("socket").toString())) {
            long d = share.node(ROOT, "d");
            long f = share.node(d, "f");
            assertEquals(0, share.open(f, O_RDWR).error(), "as long as it is inside");
            assertEquals(0, share.opendir(d).error());
            Files.move(shared.resolve("d"), directory.resolve("outside/d"));
            assertEquals(-Errno.EACCES, share.open(f, O_RDONLY).error());
            assertEquals(-Errno.EACCES, share.open(f, O_WRONLY).error());
            assertEquals(-Errno.EACCES, share.opendir(d).error());
            assertEquals(-Errno.EACCES, share.create(d, "new", 0600).error());
            FuseMessage mkdir = new FuseMessage(FUSE_MKDIR, d).u32(0755).u32(0).text("new");
            assertEquals(-Errno.EACCES, share.call(mkdir, 128).error());
            assertEquals(
                    -Errno.EACCES,
                    share.call(new FuseMessage(FUSE_UNLINK, d).text("f"), 0).error());
            assertEquals(-Errno.EACCES, share.call(truncate(f), 104).error());
            assertNotEquals(
                    0,
                    share.call(
                                    new FuseMessage(FUSE_RENAME, d)
                                            .u64(ROOT)
                                            .text("f")
                                            .text("back"),
                                    0)
                            .error());
            assertEquals(0, share.lookup(ROOT, "f").error(), "and the rest goes on");
            assertTrue(backend.pid() > 0);
        }
        assertEquals("content", Files.readString(directory.resolve("outside/d/f")));
        try (Stream<Path> left = Files.list(directory.resolve("outside/d"))) {
            assertEquals(1, left.count());
        }
    }

    private static FuseMessage truncate(long node) {
        return new FuseMessage(FUSE_SETATTR, node).u32(8).u32(0).bytes(new byte[80]);
    }

    @Test
    void allThreadsThatServeAreShutInAndTheRestOfTheWorkIsDone() throws Exception {
        Path stats = directory.resolve("outside/stats");
        try (BackendProcess backend = backend("--stats-file=" + stats)) {
            try (EmbeddedShare share =
                    EmbeddedShare.attach(directory.resolve("socket").toString())) {
                long made = share.create(ROOT, "made", 0600).u64(0);
                FuseMessage sync =
                        new FuseMessage(FUSE_FSYNC, made).u64(0).u32(0).u32(0);
                assertEquals(-Errno.EBADF, share.call(sync, 0).error(), "done by a thread of the I/O pool");
                waitForALock(share, made);
                List<String> free = threads(backend.pid(), 0);
                List<String> confined = threads(backend.pid(), 1);
                for (String name : List.of("worker", "vfio-user", "io-0", "fs-locks")) {
                    assertTrue(confined.stream().anyMatch(thread -> thread.startsWith(name)), name + " in " + confined);
                    assertTrue(free.stream().noneMatch(thread -> thread.startsWith(name)), name + " not in " + free);
                }
            }
            Files.delete(stats);
            while (!Files.exists(stats)) {
                Thread.onSpinWait(); // written every second; the test's limit ends this
            }
            assertEquals(0, backend.stop());
        }
        assertFalse(Files.exists(directory.resolve("socket")));
    }

    /** Has a lock waited for, which starts the thread for that; both locks are the guest's. */
    private static void waitForALock(EmbeddedShare share, long node) throws IOException {
        long handle = share.open(node, O_RDWR).u64(0);
        for (int owner = 1; owner <= 2; owner++) {
            FuseMessage lock = new FuseMessage(owner == 1 ? FUSE_SETLK : FUSE_SETLKW, node)
                    .u64(handle)
                    .u64(owner);
            lock.u64(0).u64(9).u32(1).u32(owner).u32(0).u32(0); // a write lock
            if (owner == 1) {
                assertEquals(0, share.call(lock, 0).error());
            } else {
                share.requests().send(lock, 0);
            }
        }
        FuseMessage unlock = new FuseMessage(FUSE_SETLK, node).u64(handle).u64(1);
        assertEquals(
                0,
                share.call(unlock.u64(0).u64(9).u32(2).u32(1).u32(0).u32(0), 0).error());
        assertEquals(0, share.await(share.requests()).error());
    }

    @Test
    void directoriesOfOneProcessAreShutInTogether() throws Exception {
        Path second = Files.createDirectory(directory.resolve("second"));
        Path config = Files.writeString(
                directory.resolve("config"),
                ("{'devices': [{'type': 'fs', 'tag': 'a', 'socket-path': 'DIR/a', 'shared-dir': 'DIR/shared'},"
                                + " {'type': 'fs', 'tag': 'b', 'socket-path': 'DIR/b', 'shared-dir': 'DIR/second',"
                                + " 'read-only': true}]}")
                        .replace('\'', '"')
                        .replace("DIR", directory.toString()));
        Files.createDirectory(second.resolve("d"));
        try (BackendProcess backend = BackendProcess.start(List.of("serve", "--config=" + config))) {
            try (EmbeddedShare a = EmbeddedShare.attach(directory.resolve("a").toString());
                    EmbeddedShare b =
                            EmbeddedShare.attach(directory.resolve("b").toString())) {
                assertEquals(0, a.create(ROOT, "made", 0600).error());
                long d = b.node(ROOT, "d");
                assertEquals(0, b.opendir(d).error());
                Files.move(second.resolve("d"), directory.resolve("outside/d"));
                assertEquals(-Errno.EACCES, b.opendir(d).error());
            }
            assertEquals(0, backend.stop());
        }
    }

    /** A disk and a network link need nothing but what is open, so they do not keep a directory from being shut in. */
    @Test
    void devicesOfOtherTypesAreShutInTogetherWithADirectory() throws Exception {
        Path image = directory.resolve("outside/image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        Path config = Files.writeString(
                directory.resolve("config"),
                ("{'devices': [{'type': 'fs', 'tag': 'a', 'socket-path': 'DIR/a', 'shared-dir': 'DIR/shared',"
                                + " 'sandbox': 'landlock'}, {'type': 'blk', 'socket-path': 'DIR/b', 'image-format': 'raw',"
                                + " 'image': 'DIR/outside/image'}, {'type': 'net', 'socket-path': 'DIR/c',"
                                + " 'backend': 'loopback', 'dump': 'DIR/outside/frames'}]}")
                        .replace('\'', '"')
                        .replace("DIR", directory.toString()));
        try (BackendProcess backend = BackendProcess.start(List.of("serve", "--config=" + config))) {
            try (EmbeddedShare share =
                            EmbeddedShare.attach(directory.resolve("a").toString());
                    EmbeddedDisk disk =
                            EmbeddedDisk.attach(directory.resolve("b").toString(), DISK);
                    EmbeddedNic nic = EmbeddedNic.attach(directory.resolve("c").toString(), 16, 1500)) {
                long d = share.node(ROOT, "d");
                Files.move(shared.resolve("d"), directory.resolve("outside/d"));
                assertEquals(-Errno.EACCES, share.opendir(d).error());
                useAllOf(disk);
                new NetBenchRun(nic, 200, 8).run(1_000_000);
                List<String> free = threads(backend.pid(), 0);
                for (String name : List.of("worker", "vfio-user", "io-0")) {
                    assertTrue(free.stream().noneMatch(thread -> thread.startsWith(name)), name + " not in " + free);
                }
            }
            assertEquals(0, backend.stop());
        }
        assertTrue(Files.size(directory.resolve("outside/frames")) > 24, "frames were captured");
        assertEquals(7, Files.readAllBytes(image)[8192]);
    }

    private static void useAllOf(EmbeddedDisk disk) throws IOException {
        BlkDriver requests = disk.requests();
        int slot = requests.acquire();
        requests.data(slot).memory().put(requests.data(slot).offset(), (byte) 7);
        requests.write(slot, 16, 4096);
        assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, disk.serve(slot));
        requests.discard(slot, 64, 64);
        assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, disk.serve(slot));
        requests.writeZeroes(slot, 256, 64, false);
        assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, disk.serve(slot));
        requests.flush(slot);
        assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, disk.serve(slot));
        requests.read(slot, 16, 4096);
        assertEquals(VirtioBlk.VIRTIO_BLK_S_OK, disk.serve(slot));
        assertEquals(7, requests.data(slot).memory().get(requests.data(slot).offset()));
    }

    @Test
    void aSandboxThatIsRequiredIsNotLeftOutInSilence() throws Exception {
        Path config = Files.writeString(
                directory.resolve("config"),
                ("{'devices': [{'type': 'fs', 'tag': 'a', 'socket-path': 'DIR/a', 'shared-dir': 'DIR/shared',"
                                + " 'sandbox': 'landlock'}, {'type': 'fs', 'tag': 'b', 'socket-path': 'DIR/b',"
                                + " 'shared-dir': 'DIR/outside', 'sandbox': 'none'}]}")
                        .replace('\'', '"')
                        .replace("DIR", directory.toString()));
        CommandLineRun run = CommandLineRun.of("serve", "--config=" + config);
        assertEquals(
                List.of(
                        "virtio-backend serve: --sandbox=landlock: not in one process with a directory that is served without a sandbox"),
                run.errLines());
        assertEquals(2, run.status());
        assertFalse(Files.exists(directory.resolve("a")));
    }

    /** Names of the threads that can still gain privileges, 0, or have given that up, 1: together with all else. */
    private static List<String> threads(long pid, int noNewPrivs) throws IOException {
        List<String> found = new ArrayList<>();
        try (Stream<Path> tasks = Files.list(Path.of("/proc/" + pid + "/task"))) {
            for (Path task : tasks.toList()) {
                try {
                    if (Files.readString(task.resolve("status")).contains("NoNewPrivs:\t" + noNewPrivs)) {
                        found.add(Files.readString(task.resolve("comm")).strip());
                    }
                } catch (IOException e) {
                    // it has ended
                }
            }
        }
        return found;
    }
}
