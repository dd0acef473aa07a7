package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.RandomAccessFile;
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

/** Requests that are sound one by one and are to cost the host more than they may. */
class HostileUseTest {
    private static final int FS_IOC_SETFLAGS = 0x4008_6602;
    private static final int FS_IOC_GETFLAGS = 0x8008_6601;
    private static final int FS_IOC_FSGETXATTR = 0x801c_581f;
    private static final int FS_IOC_FSSETXATTR = 0x401c_5820;
    private static final int FS_PROJINHERIT_FL = 0x2000_0000;
    private static final int FS_IMMUTABLE_FL = 0x10;
    private static final int OPEN_DIRECTORIES = 400;

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
    void oneReadIsNeverLongerThanWasAgreed() throws Exception {
        try (RandomAccessFile file = new RandomAccessFile(root.resolve("f").toFile(), "rw")) {
            file.setLength(5L << 30);
        }
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDONLY);
        int part = 24 << 20;
        int times = 100;
        FuseMessage read = fs.message(FUSE_READ, node)
                .u64(fh)
                .u64(0)
                .u32((long) part * times)
                .u32(0)
                .u64(0)
                .u32(0)
                .u32(0);
        FuseAnswer answer = fs.callOverlapping(read, part, times);
        assertEquals(0, answer.error());
        assertEquals(16 + (64 << 20), answer.length());
        assertEquals(16 + (64 << 20), answer.usedLength());
    }

    @Test
    void openDirectoriesShareABoundedMemory() throws Exception {
        for (String name : new String[] {"a", "b", "c", "d"}) {
            Files.createFile(root.resolve(name));
        }
        long[] handles = new long[OPEN_DIRECTORIES];
        long[] offsets = new long[OPEN_DIRECTORIES];
        int[] entries = new int[OPEN_DIRECTORIES];
        for (int i = 0; i < handles.length; i++) {
            handles[i] = fs.opendir(ROOT).u64(0);
        }
        for (int round = 0; round < 7; round++) {
            for (int i = 0; i < handles.length; i++) {
                FuseAnswer answer = fs.readdir(FUSE_READDIR, ROOT, handles[i], offsets[i], 40);
                assertEquals(0, answer.error());
                if (answer.body().limit() > 0) {
                    entries[i]++;
                    offsets[i] = answer.u64(8);
                }
            }
            assertTrue(fs.server.readAheadBytes() <= 257L * (32 << 10), "memory read ahead");
        }
        for (int count : entries) {
            assertEquals(6, count, "every entry once");
        }
        assertEquals(0, fs.server.readAheadBytes(), "all are at their end");
    }

    @Test
    void aFileStaysWithTheProjectThatLimitsTheGuest() throws Exception {
        Files.createDirectory(root.resolve("d"));
        long node = fs.node(ROOT, "d");
        long fh = fs.opendir(node).u64(0);
        FuseAnswer now = ioctl(node, fh, FS_IOC_FSGETXATTR, 28, new byte[0]);
        assumeTrue(now.error() == 0, "the file system has extended flags");
        byte[] attributes = new byte[28];
        now.body().get(16, attributes);
        attributes[12] ^= 5; // fsx_projid
        assertEquals(
                -Errno.EPERM, ioctl(node, fh, FS_IOC_FSSETXATTR, 0, attributes).error());
        FuseAnswer flags = ioctl(node, fh, FS_IOC_GETFLAGS, 4, new byte[0]);
        assertEquals(0, flags.error());
        FuseMessage inherit = ioctlMessage(node, fh, FS_IOC_SETFLAGS, 0).u32(flags.u32(16) ^ FS_PROJINHERIT_FL);
        assertEquals(-Errno.EPERM, fs.call(inherit, 16).error());
        FuseMessage same = ioctlMessage(node, fh, FS_IOC_SETFLAGS, 0).u32(flags.u32(16));
        assertEquals(0, fs.call(same, 16).error());
    }

    @Test
    void whatIsImmutableIsUpToTheHost() throws Exception {
        Files.setAttribute(root, "unix:mode", 0777);
        // as a user and back: that brings back capabilities about files
        FuseAnswer made = fs.call(fs.createMessage(ROOT, "f", O_RDWR, 0644, 0).as(1234, 5678), 144);
        long node = entry(made);
        long fh = made.u64(128);
        FuseAnswer flags = ioctl(node, fh, FS_IOC_GETFLAGS, 4, new byte[0]);
        assumeTrue(flags.error() == 0, "the file system has flags");
        int error = fs.call(ioctlMessage(node, fh, FS_IOC_SETFLAGS, 0).u32(flags.u32(16) | FS_IMMUTABLE_FL), 16)
                .error();
        if (error == 0) {
            fs.call(ioctlMessage(node, fh, FS_IOC_SETFLAGS, 0).u32(flags.u32(16)), 16);
        }
        assertEquals(-Errno.EPERM, error);
    }

    private FuseAnswer ioctl(long node, long fh, int command, int outBytes, byte[] in) throws Exception {
        return fs.call(ioctlMessage(node, fh, command, outBytes).bytes(in), 16 + outBytes);
    }

    private FuseMessage ioctlMessage(long node, long fh, int command, int outBytes) {
        return fs.message(FUSE_IOCTL, node)
                .u64(fh)
                .u32(0)
                .u32(command)
                .u64(0)
                .u32(0)
                .u32(outBytes);
    }
}
