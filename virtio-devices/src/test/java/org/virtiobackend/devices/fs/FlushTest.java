package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.FileIo;

/** What a file system below says at close is said to the driver, and what a write promises is said to it. Needs root, perl and /dev/fuse. */
class FlushTest {
    @TempDir
    private Path directory;

    private Path mounted;
    private Process served;
    private FsFixture fs;

    @AfterEach
    void stop() throws Exception {
        if (fs != null) {
            fs.close();
        }
        if (served != null) {
            new ProcessBuilder("umount", "-l", mounted.toString())
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                    .start()
                    .waitFor();
            served.destroyForcibly().waitFor();
        }
    }

    private boolean mounts() throws Exception {
        mounted = Files.createDirectory(directory.resolve("mounted"));
        Path program = directory.resolve("full-at-close.pl");
        try (InputStream text = FlushTest.class.getResourceAsStream("full-at-close.pl")) {
            Files.copy(text, program);
        }
        try {
            served = new ProcessBuilder("perl", program.toString(), mounted.toString())
                    .redirectError(ProcessBuilder.Redirect.DISCARD)
                    .start();
        } catch (IOException e) {
            return false;
        }
        return served.getInputStream().read() == 'x';
    }

    private int flush(long node, long fh) throws Exception {
        return fs.call(fs.message(FUSE_FLUSH, node).u64(fh).u32(0).u32(0).u64(7), 0)
                .error();
    }

    @Test
    void closingTellsWhatBecameOfDelayedWrites() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")) && mounts(), "root, perl and /dev/fuse");
        fs = new FsFixture(mounted, PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        assertEquals(1, fs.write(node, fh, 0, new byte[1]).u32(0));
        assertEquals(-Errno.EDQUOT, flush(node, fh));
        assertEquals(-Errno.EDQUOT, flush(node, fh), "it is open still");
        assertEquals(0, fs.release(node, fh).error());
        long reading = fs.handle(node, O_RDONLY);
        assertEquals(0, flush(node, reading), "nothing was written");
        assertEquals(-Errno.EBADF, flush(node, fh));
    }

    /** RWF_DSYNC and mount -o sync of the guest: no FSYNC follows. */
    @Test
    void aWriteThatIsToBeDurableIsSo() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")) && mounts(), "root, perl and /dev/fuse");
        fs = new FsFixture(mounted, PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        for (int flags : new int[] {0, FileIo.O_DSYNC, DirectoryIo.O_SYNC}) {
            FuseMessage message = fs.message(FUSE_WRITE, node).u64(fh).u64(0).u32(1);
            message.u32(0).u64(0).u32(O_RDWR | flags).u32(0).bytes((byte) 'x');
            assertEquals(0, fs.call(message, 8).error());
            assertEquals(flags, nextFlags() & DirectoryIo.O_SYNC);
        }
    }

    /** With which flags the next write came to the file system below. */
    private int nextFlags() throws IOException {
        StringBuilder line = new StringBuilder();
        for (int c = served.getInputStream().read();
                c != '\n';
                c = served.getInputStream().read()) {
            assertTrue(c >= 0, "the file system goes on");
            line.append((char) c);
        }
        return Integer.parseInt(line.toString());
    }
}
