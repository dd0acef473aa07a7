package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** A process of the host has a lease on a file and is slow to give it up: who opens the file waits, and nobody else. */
class LeaseTest {
    /** Takes a lease for reading, says so, and keeps it until its input ends. */
    private static final String HOLDER =
            "$SIG{IO} = 'IGNORE'; open(my $f, '<', $ARGV[0]) or die; fcntl($f, 1024, 0 + 0) or die; $| = 1; print 'x'; <STDIN>";

    @TempDir
    private Path root;

    private Process holder;
    private FsFixture fs;
    private long node;

    @BeforeEach
    void start() throws Exception {
        Path file = Files.writeString(root.resolve("f"), "0123456789");
        fs = new FsFixture(root, PassthroughOptions.defaults());
        node = fs.node(ROOT, "f");
        try {
            holder = new ProcessBuilder("perl", "-e", HOLDER, file.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            abort("perl cannot be run");
        }
        assumeTrue(holder.getInputStream().read() == 'x', "leases on this file system");
    }

    @AfterEach
    void stop() {
        fs.close();
        if (holder != null) {
            holder.destroyForcibly();
        }
    }

    private void waitsWhileOthersAreServed(FuseMessage message, int replyBytes) throws Exception {
        long waiting = fs.requests.send(message, replyBytes);
        long other =
                fs.requests.send(fs.message(FUSE_GETATTR, node).u32(0).u32(0).u64(0), 104);
        assertEquals(other, fs.await(fs.requests).unique());
        holder.getOutputStream().close();
        FuseAnswer answer = fs.await(fs.requests);
        assertEquals(waiting, answer.unique());
        assertEquals(0, answer.error());
    }

    @Test
    void openingForWritingHoldsNobodyUp() throws Exception {
        waitsWhileOthersAreServed(fs.message(FUSE_OPEN, node).u32(O_RDWR).u32(0), 16);
    }

    @Test
    void truncatingHoldsNobodyUp() throws Exception {
        FuseMessage truncate =
                fs.message(FUSE_SETATTR, node).u32(8).u32(0).u64(0).u64(3).bytes(new byte[64]);
        waitsWhileOthersAreServed(truncate, 104);
        assertEquals("012", Files.readString(root.resolve("f")));
    }

    /** Two threads wait for the storage here. */
    @Test
    void manyThatOpenItHoldNoOtherUp() throws Exception {
        Files.writeString(root.resolve("other"), "content");
        long other = fs.node(ROOT, "other");
        long fh = fs.handle(other, O_RDWR);
        for (int i = 0; i < 5; i++) {
            fs.requests.send(fs.message(FUSE_OPEN, node).u32(O_RDWR).u32(0), 16);
        }
        FuseMessage sync = fs.message(FUSE_FSYNC, other).u64(fh).u32(0).u32(0);
        long unique = fs.requests.send(sync, 0);
        assertEquals(unique, fs.await(fs.requests).unique());
        holder.getOutputStream().close();
        for (int i = 0; i < 5; i++) {
            assertEquals(0, fs.await(fs.requests).error());
        }
    }

    /** Whose name is not kept: the driver looks again, and opens what it finds. */
    @Test
    void whoWantedToMakeItLooksAgain() throws Exception {
        assertEquals(-Errno.ESTALE, fs.create(ROOT, "f", O_RDWR, 0644).error());
    }

    @Test
    void aLockIsNotToBeHadMeanwhile() throws Exception {
        long fh = fs.handle(node, O_RDONLY); // a reader does not touch the lease
        assertEquals(0, lock(FUSE_GETLK, fh).error());
        assertEquals(-Errno.EAGAIN, lock(FUSE_SETLK, fh).error());
        holder.getOutputStream().close();
        holder.waitFor();
        assertEquals(0, lock(FUSE_SETLK, fh).error());
    }

    private FuseAnswer lock(int opcode, long fh) throws Exception {
        FuseMessage message =
                fs.message(opcode, node).u64(fh).u64(7).u64(0).u64(9).u32(0).u32(70);
        return fs.call(message.u32(0).u32(0), opcode == FUSE_GETLK ? 24 : 0);
    }
}
