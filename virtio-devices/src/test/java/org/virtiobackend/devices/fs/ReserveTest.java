package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.RandomAccessFile;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.HostCommand;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** What a file system keeps for root when it is full. Needs root, mkfs.ext4 and a loop device. */
class ReserveTest {
    private static final int KILL = 1 << 2;
    private static final int USER = 1234;
    private static final long RESERVE = 3 << 20;

    @TempDir
    private Path directory;

    private Path mounted;
    private boolean isMounted;
    private FsFixture fs;

    @AfterEach
    void stop() throws Exception {
        if (fs != null) {
            fs.close();
        }
        if (isMounted) {
            assertTrue(HostCommand.succeeds("umount", mounted.toString()));
        }
    }

    private FuseAnswer write(long node, long fh, long offset, byte[] data, int user) throws Exception {
        FuseMessage message = fs.message(FUSE_WRITE, node).u64(fh).u64(offset).u32(data.length);
        message.u32(user == 0 ? 0 : KILL).u64(0).u32(0).u32(0);
        return fs.call(message.bytes(data).as(user, user), 8);
    }

    @Test
    void aUserOfTheGuestLeavesTheReserveOfAFullDisk() throws Exception {
        Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(16 << 20);
        }
        mounted = Files.createDirectory(directory.resolve("mounted"));
        String[] mkfs = {"mkfs.ext4", "-q", "-F", "-m", "25", "-O", "^has_journal", image.toString()};
        isMounted = "root".equals(System.getProperty("user.name"))
                && HostCommand.succeeds(mkfs)
                && HostCommand.succeeds("mount", "-o", "loop", image.toString(), mounted.toString());
        assumeTrue(isMounted, "root, mkfs.ext4 and a loop device");
        Files.setAttribute(mounted, "unix:mode", 0777);
        fs = new FsFixture(mounted, PassthroughOptions.defaults());
        FuseAnswer made = fs.call(fs.createMessage(ROOT, "f", O_RDWR, 0600, 0).as(USER, USER), 144);
        long node = entry(made);
        long fh = made.u64(128);
        byte[] data = new byte[64 << 10];
        long offset = 0;
        FuseAnswer written = write(node, fh, offset, data, USER);
        while (written.error() == 0 && offset < 32 << 20) {
            offset += written.u32(0);
            written = write(node, fh, offset, data, USER);
        }
        assertEquals(-Errno.ENOSPC, written.error());
        FileStore store = Files.getFileStore(mounted);
        assertTrue(store.getUnallocatedSpace() >= RESERVE, "left: " + store.getUnallocatedSpace());
        FuseMessage allocate =
                fs.message(FUSE_FALLOCATE, node).u64(fh).u64(32 << 20).u64(1 << 20);
        assertEquals(-Errno.ENOSPC, fs.call(allocate.u64(0).as(USER, USER), 0).error());
        FuseMessage copy = fs.message(FUSE_COPY_FILE_RANGE, node).u64(fh).u64(0);
        copy.u64(node).u64(fh).u64(32 << 20).u64(1 << 20).u64(0);
        assertEquals(-Errno.ENOSPC, fs.call(copy.as(USER, USER), 8).error());
        assertTrue(store.getUnallocatedSpace() >= RESERVE, "left: " + store.getUnallocatedSpace());
        assertEquals(data.length, write(node, fh, 48 << 20, data, 0).u32(0), "it is for root");
    }
}
