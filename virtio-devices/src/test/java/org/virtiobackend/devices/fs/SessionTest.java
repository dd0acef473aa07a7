package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseInit.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.passthrough.CachePolicy;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** INIT, DESTROY, and what holds for a whole session. */
class SessionTest {
    @TempDir
    private Path root;

    private FsFixture fs;

    @BeforeEach
    void start() throws Exception {
        Files.writeString(root.resolve("f"), "content");
        fs = new FsFixture(root, PassthroughOptions.defaults());
    }

    @AfterEach
    void stop() {
        fs.close();
    }

    private void restart(PassthroughOptions options) throws Exception {
        fs.close();
        fs = new FsFixture(root, options);
    }

    private static long flags(FuseAnswer answer) {
        return answer.u32(12) & 0xffff_ffffL | (long) answer.u32(32) << 32;
    }

    @Test
    void speaksTheOlderOfTwoMinorVersions() throws Exception {
        assertEquals(31, fs.init(7, 31, -1L).u32(4));
        assertEquals(46, fs.init(7, 46, -1L).u32(4));
        assertEquals(46, fs.init(7, 99, -1L).u32(4));
        assertEquals(-Errno.EPROTO, fs.init(7, 30, -1L).error());
        assertEquals(-Errno.EPROTO, fs.init(6, 46, -1L).error());
        FuseAnswer newer = fs.init(8, 0, -1L);
        assertEquals(0, newer.error());
        assertEquals(7, newer.u32(0), "the driver comes back with 7");
    }

    @Test
    void takesNoFlagThatTheDriverDoesNotOffer() throws Exception {
        assertEquals(0, flags(fs.init(7, 46, 0)));
        assertEquals(FUSE_ASYNC_READ, flags(fs.init(7, 46, FUSE_ASYNC_READ)));
        assertEquals(0, flags(fs.init(7, 46, FUSE_CREATE_SUPP_GROUP)), "the upper half needs INIT_EXT");
        long both = FUSE_CREATE_SUPP_GROUP | FUSE_INIT_EXT;
        assertEquals(both, flags(fs.init(7, 46, both)));
        long all = flags(fs.init(7, 46, -1L));
        long never = 1L << 25 | 1L << 26 | 1L << 32 | 1L << 33 | 1L << 37 | 1L << 40 | 1L << 41 | 1L << 42;
        assertEquals(
                0,
                all & never,
                "explicit invalidation, DAX, security contexts, passthrough, idmapped mounts, io_uring, timeouts");
        assertNotEquals(0, all & FUSE_AUTO_INVAL_DATA);
        assertEquals(0, all & FUSE_WRITEBACK_CACHE);
    }

    @Test
    void cachePoliciesShowInFlagsAndTimeouts() throws Exception {
        assertEquals(1, fs.lookup(ROOT, "f").u64(16));
        restart(PassthroughOptions.defaults().withCache(CachePolicy.ALWAYS, true));
        assertEquals(86_400, fs.lookup(ROOT, "f").u64(16));
        assertNotEquals(0, flags(fs.init(7, 46, -1L)) & FUSE_WRITEBACK_CACHE);
        FuseAnswer missing = fs.lookup(ROOT, "missing");
        assertEquals(0, missing.error());
        assertEquals(0, missing.u64(0), "a name that does not exist may be remembered");
        restart(PassthroughOptions.defaults().withCache(CachePolicy.NONE, false));
        FuseAnswer found = fs.lookup(ROOT, "f");
        assertEquals(0, found.u64(16));
        assertEquals(1, fs.open(found.u64(0), O_RDONLY).u32(8) & 1, "FOPEN_DIRECT_IO");
    }

    @Test
    void nothingIsServedOutsideASession() throws Exception {
        long node = fs.node(ROOT, "f");
        assertEquals(0, fs.call(fs.message(FUSE_DESTROY, 0), 0).error());
        assertEquals(-Errno.ENOTCONN, fs.getattr(node).error());
        assertEquals(0, fs.init(7, 46, -1L).error());
        assertEquals(-Errno.ESTALE, fs.getattr(node).error());
        assertEquals(0, fs.getattr(ROOT).error());
    }

    @Test
    void theDriverChoosesTheByteOrder() throws Exception {
        fs.order = ByteOrder.BIG_ENDIAN;
        FuseAnswer init = fs.init(7, 46, -1L);
        assertEquals(0, init.error());
        assertEquals(7, init.u32(0));
        long node = fs.node(ROOT, "f");
        assertEquals(7, fs.getattr(node).u64(24));
        assertEquals(7, fs.read(node, fs.handle(node, O_RDONLY), 0, 100).body().limit());
        assertTrue(fs.list(ROOT, true, 4096).containsKey("f"));
        fs.order = ByteOrder.LITTLE_ENDIAN;
        assertEquals(0, fs.init(7, 46, -1L).error());
        assertEquals(7, fs.getattr(fs.node(ROOT, "f")).u64(24));
    }

    @Test
    void readOnlyMeansThatNothingChanges() throws Exception {
        restart(PassthroughOptions.defaults().withReadOnly());
        long node = fs.node(ROOT, "f");
        int[] changing = {
            FUSE_SETATTR,
            FUSE_SYMLINK,
            FUSE_MKNOD,
            FUSE_MKDIR,
            FUSE_UNLINK,
            FUSE_RMDIR,
            FUSE_RENAME,
            FUSE_RENAME2,
            FUSE_LINK,
            FUSE_WRITE,
            FUSE_SETXATTR,
            FUSE_REMOVEXATTR,
            FUSE_CREATE,
            FUSE_TMPFILE,
            FUSE_FALLOCATE,
            FUSE_COPY_FILE_RANGE,
            FUSE_COPY_FILE_RANGE_64
        };
        for (int opcode : changing) {
            FuseAnswer answer =
                    fs.call(fs.message(opcode, ROOT).bytes(new byte[100]).text("f"), 300);
            assertEquals(-Errno.EROFS, answer.error(), "opcode " + opcode);
        }
        assertEquals(-Errno.EROFS, fs.open(node, O_WRONLY).error());
        assertEquals(-Errno.EROFS, fs.open(node, O_RDWR).error());
        assertEquals(-Errno.EROFS, fs.open(node, O_RDONLY | 0x200).error(), "O_TRUNC");
        long fh = fs.handle(node, O_RDONLY);
        int setFlags = 0x4008_6602;
        FuseAnswer ioctl = fs.call(
                fs.message(FUSE_IOCTL, node)
                        .u64(fh)
                        .u32(0)
                        .u32(setFlags)
                        .u64(0)
                        .u32(4)
                        .u32(0)
                        .u32(0),
                16);
        assertEquals(-Errno.EROFS, ioctl.error());
        assertEquals(7, fs.read(node, fh, 0, 100).body().limit());
        assertEquals("content", Files.readString(root.resolve("f")));
    }

    @Test
    void theDeviceSaysItsTagAndQueues() {
        assertEquals('t', fs.device.config().get(0, 1));
        assertEquals(0, fs.device.config().get(4, 1), "padded with NULs");
        assertEquals(1, fs.device.config().get(36, 4));
        assertEquals(40, fs.device.config().length());
        assertEquals(2, fs.device.queueMaxSizes().length);
        assertThrows(IllegalArgumentException.class, () -> new FsSettings("", 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new FsSettings("x".repeat(37), 1, 64));
        assertThrows(IllegalArgumentException.class, () -> new FsSettings("ü".repeat(19), 1, 64));
        assertEquals(36, new FsSettings("ü".repeat(18), 1, 64).tagBytes().length);
    }

    @Test
    void mayBeServedInPlaceOfAWorkerWhileAllFileSystemsAreLocal() throws Exception {
        try (FsFixture memory = new FsFixture(Path.of("/dev/shm"), PassthroughOptions.defaults())) {
            assertTrue(memory.server.isPrompt());
        }
        try (FsFixture other = new FsFixture(Path.of("/proc"), PassthroughOptions.defaults())) {
            assertFalse(other.server.isPrompt(), "nobody knows how long that takes");
        }
        try (FsFixture mounts = new FsFixture(Path.of("/dev"), PassthroughOptions.defaults())) {
            assertTrue(mounts.server.isPrompt());
            assumeTrue(mounts.lookup(ROOT, "pts").error() == 0);
            assertFalse(mounts.server.isPrompt(), "another file system was found below");
        }
    }
}
