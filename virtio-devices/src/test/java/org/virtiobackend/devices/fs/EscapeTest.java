package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.NativeBuffer;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** A process of the host swaps directories for symbolic links that lead outside while a driver walks (hostile-driver.md row 31). */
class EscapeTest {
    private static final int DEFAULT_ROUNDS = 2_000;
    /** Walks of one test, two or three lookups each; 500,000 are a million lookups, in some minutes. */
    private static final int ROUNDS = Integer.getInteger("escape.rounds", DEFAULT_ROUNDS);

    private static final int RENAME_EXCHANGE = 2;

    @TempDir
    private Path directory;

    // hostile-driver.md row 31
    @Test
    void noRaceLeadsOutside() throws Exception {
        Path root = Files.createDirectory(directory.resolve("shared"));
        Path outside = Files.createDirectory(directory.resolve("outside"));
        Files.writeString(outside.resolve("f"), "OUTSIDE");
        Files.createDirectory(root.resolve("d"));
        Files.writeString(root.resolve("d/f"), "inside!");
        Files.createSymbolicLink(root.resolve("x"), outside);
        Files.writeString(root.resolve("file"), "inside!");
        Files.createSymbolicLink(root.resolve("y"), outside.resolve("f"));
        AtomicBoolean stop = new AtomicBoolean();
        AtomicLong swaps = new AtomicLong();
        Thread swapper = new Thread(() -> swap(root, stop, swaps));
        swapper.start();
        try (FsFixture fs = new FsFixture(root, PassthroughOptions.defaults())) {
            long lookups = 0;
            for (int i = 0; i < ROUNDS; i++) {
                lookups += walk(fs);
            }
            String done = lookups + " lookups during " + swaps.get() + " swaps of two pairs";
            assertTrue(lookups > ROUNDS && swaps.get() > 0, done);
            if (ROUNDS > DEFAULT_ROUNDS) {
                System.out.println(done);
            }
        } finally {
            stop.set(true);
            swapper.join();
        }
        assertEquals("OUTSIDE", Files.readString(outside.resolve("f")));
        try (var left = Files.list(outside)) {
            assertEquals(1, left.count(), "nothing made outside");
        }
    }

    /** One walk to d/f, or to what is there at the time, and attempts to read, write and make there. */
    private static int walk(FsFixture fs) throws Exception {
        int lookups = 2; // with that of CREATE
        FuseAnswer found = fs.lookup(ROOT, "d");
        if (found.error() == 0) {
            long node = found.u64(0);
            FuseAnswer file = fs.lookup(node, "f");
            lookups++;
            if (file.error() == 0) {
                touch(fs, file.u64(0));
                fs.forget(file.u64(0), 1);
            }
            FuseAnswer made = fs.create(node, "made", O_RDWR, 0600);
            if (made.error() == 0) {
                fs.release(made.u64(0), made.u64(128));
                fs.forget(made.u64(0), 1);
            }
            fs.call(fs.message(FUSE_UNLINK, node).text("made"), 0);
            fs.forget(node, 1);
        }
        FuseAnswer existing = fs.create(ROOT, "file", O_RDWR, 0600);
        if (existing.error() == 0) {
            touchOpen(fs, existing.u64(0), existing.u64(128));
            fs.release(existing.u64(0), existing.u64(128));
            fs.forget(existing.u64(0), 1);
        }
        return lookups;
    }

    private static void touch(FsFixture fs, long node) throws Exception {
        FuseAnswer open = fs.open(node, O_RDWR);
        if (open.error() == 0) {
            touchOpen(fs, node, open.u64(0));
            fs.release(node, open.u64(0));
        }
    }

    private static void touchOpen(FsFixture fs, long node, long fh) throws Exception {
        assertEquals("inside!", new String(fs.read(node, fh, 0, 100).bytes(0), UTF_8));
        assertEquals(0, fs.write(node, fh, 0, "inside!".getBytes(UTF_8)).error());
    }

    private static void swap(Path root, AtomicBoolean stop, AtomicLong swaps) {
        NativeBuffer names = NativeBuffer.allocate(64);
        names.buffer().put(0, "d\0x\0file\0y\0".getBytes(UTF_8));
        long at = names.address();
        try (var fd = org.virtiobackend.posix.FileIo.open(root.toString(), DirectoryIo.O_PATH, 0)) {
            while (!stop.get()) {
                if (DirectoryIo.rename(fd.value(), at, fd.value(), at + 2, RENAME_EXCHANGE) == 0
                        && DirectoryIo.rename(fd.value(), at + 4, fd.value(), at + 9, RENAME_EXCHANGE) == 0) {
                    swaps.incrementAndGet();
                }
            }
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    // hostile-driver.md row 18
    @Test
    void aHeaderThatChangesWhileItIsReadChangesNothing() throws Exception {
        Path root = Files.createDirectory(directory.resolve("shared"));
        Files.writeString(directory.resolve("secret"), "OUTSIDE");
        Files.writeString(root.resolve("aaaaaaaaaaaaa"), "inside!");
        try (FsFixture fs = new FsFixture(root, PassthroughOptions.defaults())) {
            AtomicBoolean stop = new AtomicBoolean();
            FuseMessage good = fs.message(FUSE_LOOKUP, ROOT).text("aaaaaaaaaaaaa");
            assertEquals(0, fs.call(good, 128).error());
            DmaBuffer request = fs.requests.lastRequest(); // requests of one size stand in one place
            Thread flipper = new Thread(() -> flip(request, stop));
            flipper.start();
            int found = 0;
            int refused = 0;
            try {
                for (int i = 0; i < ROUNDS; i++) {
                    FuseAnswer answer = fs.call(good, 128);
                    if (answer.error() == 0) {
                        // whatever was looked up is what was judged: a file of the shared directory
                        assertEquals(7, answer.u64(48));
                        found++;
                    } else {
                        refused++;
                    }
                }
            } finally {
                stop.set(true); // or it writes where there is no memory any more
                flipper.join();
            }
            assertTrue(found > 0, found + " found, " + refused + " refused");
        }
    }

    /** Turns names of requests in shared memory into "../secret" and back. */
    private static void flip(DmaBuffer request, AtomicBoolean stop) {
        byte[] good = "aaaaaaaaaaaaa\0".getBytes(UTF_8);
        byte[] bad = "../secret\0aaa\0".getBytes(UTF_8);
        int name = request.offset() + 40;
        while (!stop.get()) {
            for (int i = 0; i < good.length; i++) {
                request.memory().put(name + i, bad[i]);
            }
            for (int i = 0; i < good.length; i++) {
                request.memory().put(name + i, good[i]);
            }
        }
    }
}
