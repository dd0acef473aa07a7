package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.HostCommand;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.CachePolicy;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileIo;

/** Which writes go to the end of a file: those of a descriptor that has O_APPEND at the time, and no page of a mapping. */
class AppendTest {
    private static final int O_APPEND = 0x400;
    private static final int CACHED = 1;

    @TempDir
    private Path root;

    private Path file;
    private FsFixture fs;

    private void start(PassthroughOptions options) throws Exception {
        file = Files.writeString(root.resolve("f"), "0123456789");
        fs = new FsFixture(root, options);
    }

    @AfterEach
    void stop() {
        if (fs != null) {
            fs.close();
        }
    }

    private FuseAnswer write(long node, long fh, long offset, String text, int writeFlags, int openFlags)
            throws Exception {
        FuseMessage message = fs.message(FUSE_WRITE, node).u64(fh).u64(offset).u32(text.length());
        message.u32(writeFlags).u64(0).u32(openFlags).u32(0);
        return fs.call(message.bytes(text.getBytes(UTF_8)), 8);
    }

    @Test
    void aPageOfAMappingGoesWhereItBelongs() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR | O_APPEND);
        assertEquals(2, write(node, fh, 0, "ab", CACHED, 0).u32(0));
        assertEquals("ab23456789", Files.readString(file));
        assertEquals(2, write(node, fh, 4, "cd", CACHED, O_APPEND).u32(0));
        assertEquals("ab23cd6789", Files.readString(file));
    }

    @Test
    void theFlagIsThatOfTheWrite() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long opened = fs.handle(node, O_RDWR | O_APPEND);
        assertEquals(1, write(node, opened, 0, "x", 0, O_RDWR | O_APPEND).u32(0));
        assertEquals("0123456789x", Files.readString(file));
        assertEquals(1, write(node, opened, 1, "y", 0, O_RDWR).u32(0), "fcntl took it back");
        assertEquals("0y23456789x", Files.readString(file));
        long plain = fs.handle(node, O_WRONLY);
        Files.writeString(file, "0123456789 grown on the host");
        assertEquals(1, write(node, plain, 11, "z", 0, O_WRONLY | O_APPEND).u32(0), "fcntl set it");
        assertEquals("0123456789 grown on the hostz", Files.readString(file));
    }

    /** FUSE_ASYNC_DIO: one write of the guest, in pieces that do not wait for each other. */
    @Test
    void piecesOfALargeAppendStayInOrder() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_WRONLY);
        for (int round = 0; round < 8; round++) {
            Files.writeString(file, "");
            String[] pieces = {"a".repeat(1 << 20), "b".repeat(1 << 18), "c".repeat(1 << 12), "d"};
            // the last is for a thread that may wait, whatever its size
            int[] flags = {O_APPEND, O_APPEND, O_APPEND, O_APPEND | FileIo.O_DSYNC};
            int at = 0;
            for (int i = 0; i < pieces.length; i++) {
                FuseMessage message =
                        fs.message(FUSE_WRITE, node).u64(fh).u64(at).u32(pieces[i].length());
                message.u32(0).u64(0).u32(O_WRONLY | flags[i]).u32(0).bytes(pieces[i].getBytes(UTF_8));
                fs.requests.send(message, 8);
                at += pieces[i].length();
            }
            for (int i = 0; i < pieces.length; i++) {
                assertEquals(0, fs.await(fs.requests).error());
            }
            String written = Files.readString(file);
            assertEquals(at, written.length());
            assertTrue(written.equals(String.join("", pieces)), "round " + round); // too long to be shown
        }
        assertEquals(1, write(node, fh, 0, "e", 0, O_WRONLY | O_APPEND).u32(0), "and then at once again");
    }

    @Test
    void aDriverThatCollectsWritesSaysWhereTheEndIs() throws Exception {
        start(PassthroughOptions.defaults().withCache(CachePolicy.ALWAYS, true));
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_WRONLY | O_APPEND);
        assertEquals(1, write(node, fh, 3, "x", 0, O_WRONLY | O_APPEND).u32(0));
        assertEquals("012x456789", Files.readString(file));
    }

    @Test
    void aFileThatMayOnlyGrowOpensForThatAlone() throws Exception {
        start(PassthroughOptions.defaults());
        assumeTrue(chattr("+a"), "chattr +a here");
        try {
            long node = fs.node(ROOT, "f");
            assertEquals(-Errno.EPERM, fs.open(node, O_RDWR).error());
            long fh = fs.handle(node, O_RDWR | O_APPEND);
            assertEquals(1, write(node, fh, 0, "x", 0, O_RDWR | O_APPEND).u32(0));
            assertEquals(-Errno.EPERM, write(node, fh, 0, "y", CACHED, 0).error());
            assertEquals("0123456789x", Files.readString(file));
        } finally {
            chattr("-a");
        }
    }

    private boolean chattr(String flag) throws InterruptedException {
        return HostCommand.succeeds("chattr", flag, file.toString());
    }
}
