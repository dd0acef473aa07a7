package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.passthrough.IdMap;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Credentials;
import org.virtiobackend.posix.Errno;

/** As whom things are done on the host (hostile-driver.md row 32). Needs root: nobody else can act for others. */
class CredentialsTest {
    private static final int KILL = 1 << 2;

    @TempDir
    private Path root;

    private FsFixture fs;

    @BeforeEach
    void start() throws Exception {
        assumeTrue("root".equals(System.getProperty("user.name")), "root");
        Files.setAttribute(root, "unix:mode", 0777);
        fs = new FsFixture(root, PassthroughOptions.defaults());
    }

    @AfterEach
    void stop() {
        if (fs != null) {
            fs.close();
        }
    }

    private int attribute(String name, String what) throws Exception {
        return (int) Files.getAttribute(root.resolve(name), "unix:" + what);
    }

    private FuseAnswer createAs(String name, int mode, int umask, int uid, int gid) throws Exception {
        return fs.call(fs.createMessage(ROOT, name, O_RDWR, mode, umask).as(uid, gid), 144);
    }

    @Test
    void filesBelongToTheSenderAndHaveItsUmask() throws Exception {
        entry(createAs("f", 0666, 027, 1234, 5678));
        assertEquals(1234, attribute("f", "uid"));
        assertEquals(5678, attribute("f", "gid"));
        assertEquals(0640, attribute("f", "mode") & 07777);
        entry(fs.call(fs.message(FUSE_MKDIR, ROOT).u32(0777).u32(0).text("d").as(1234, 5678), 128));
        assertEquals(0777, attribute("d", "mode") & 07777);
        assertEquals(1234, attribute("d", "uid"));
        entry(createAs("r", 0666, 0, 0, 0));
        assertEquals(0, attribute("r", "uid"), "and the next is somebody else's");
    }

    @Test
    void theHostRefusesWhatTheSenderMayNotMake() throws Exception {
        Files.setAttribute(root, "unix:mode", 0755);
        assertEquals(-Errno.EACCES, createAs("f", 0666, 0, 1234, 5678).error());
        Files.setAttribute(root, "unix:mode", 0775);
        Files.setAttribute(root, "unix:gid", 4242);
        assertEquals(-Errno.EACCES, createAs("f", 0666, 0, 1234, 5678).error());
        var inGroup =
                fs.createMessage(ROOT, "g", O_RDWR, 0666, 0).as(1234, 5678).group(4242);
        entry(fs.call(inGroup, 144));
        assertEquals(-Errno.EACCES, createAs("f", 0666, 0, 1234, 5678).error(), "the group was that request's");
    }

    @Test
    void groupsOfWhoStartedTheProcessHelpNoSender() throws Exception {
        Files.setAttribute(root, "unix:mode", 0775);
        Files.setAttribute(root, "unix:gid", 4242);
        fs.close();
        AtomicReference<Exception> failed = new AtomicReference<>();
        Thread starter = new Thread(() -> {
            try {
                // inherited by every thread that is started now
                assertEquals(0, new Credentials().become(0, 0, 4242));
                fs = new FsFixture(root, PassthroughOptions.defaults());
            } catch (Exception e) {
                failed.set(e);
            }
        });
        starter.start();
        starter.join();
        assertNull(failed.get());
        assertEquals(-Errno.EACCES, createAs("f", 0666, 0, 1234, 5678).error());
    }

    // hostile-driver.md row 32
    @Test
    void aSetgidDirectoryGivesItsGroupAndTakesTheBit() throws Exception {
        Files.setAttribute(root, "unix:gid", 4242);
        Files.setAttribute(root, "unix:mode", 02777);
        entry(createAs("f", 02775, 0, 1234, 5678));
        assertEquals(4242, attribute("f", "gid"));
        // CVE-2022-0358: not in that group, so no set-group-id file of it
        assertEquals(0775, attribute("f", "mode") & 07777);
        entry(fs.call(fs.message(FUSE_MKDIR, ROOT).u32(0755).u32(0).text("d").as(1234, 5678), 128));
        assertEquals(02755, attribute("d", "mode") & 07777);
    }

    @Test
    void aWriteDropsSetIdBitsWhenTheSenderCannotKeepThem() throws Exception {
        for (int mode : new int[] {06777, 02766, 04755}) {
            Path file = Files.writeString(root.resolve("f" + mode), "content");
            Files.setAttribute(file, "unix:gid", 4242);
            Files.setAttribute(file, "unix:mode", mode);
            long node = fs.node(ROOT, "f" + mode);
            long fh = fs.handle(node, O_RDWR);
            fs.write(node, fh, 0, new byte[1]);
            assertEquals(mode, attribute("f" + mode, "mode") & 07777, "kept for root");
            fs.write(node, fh, 0, new byte[1], KILL);
            assertEquals(mode & 0777, attribute("f" + mode, "mode") & 07777);
        }
    }

    @Test
    void aMemberOfTheGroupKeepsTheBitThatIsNotForExecution() throws Exception {
        Path file = Files.writeString(root.resolve("f"), "content");
        Files.setAttribute(file, "unix:gid", 4242);
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        Files.setAttribute(file, "unix:mode", 02766);
        var write = fs.message(FUSE_WRITE, node)
                .u64(fh)
                .u64(0)
                .u32(1)
                .u32(KILL)
                .u64(0)
                .u64(0);
        assertEquals(0, fs.call(write.bytes((byte) 1).as(1234, 4242), 8).error());
        assertEquals(02766, attribute("f", "mode") & 07777);
        var allocate = fs.message(FUSE_FALLOCATE, node).u64(fh).u64(0).u64(8192).u64(0);
        assertEquals(0, fs.call(allocate.as(0, 0), 0).error());
        assertEquals(02766, attribute("f", "mode") & 07777, "root");
        assertEquals(0, fs.call(allocate.as(1234, 99), 0).error());
        assertEquals(0766, attribute("f", "mode") & 07777, "not a member");
    }

    @Test
    void whoMeantToMakeAFileGetsNoneThatIsNotTheirs() throws Exception {
        Path file = Files.writeString(root.resolve("f"), "secret");
        Files.setAttribute(file, "unix:mode", 0600);
        // somebody made it since the driver was told that there was none; it looks again, and judges by itself
        assertEquals(-Errno.ESTALE, createAs("f", 0666, 022, 1234, 5678).error());
        int truncating = O_RDWR | 0x200;
        var truncate = fs.createMessage(ROOT, "f", truncating, 0666, 022).as(1234, 5678);
        assertEquals(-Errno.ESTALE, fs.call(truncate, 144).error());
        assertEquals("secret", Files.readString(file));
        assertEquals(1, fs.server.inodeCount(), "nothing was looked up");
        entry(createAs("f", 0666, 022, 0, 0));
        Files.setAttribute(file, "unix:uid", 1234);
        entry(createAs("f", 0666, 022, 1234, 5678));
        Files.setAttribute(file, "unix:mode", 0060);
        Files.setAttribute(file, "unix:uid", 0);
        Files.setAttribute(file, "unix:gid", 4242);
        var inGroup =
                fs.createMessage(ROOT, "f", O_RDWR, 0666, 022).as(1234, 5678).group(4242);
        entry(fs.call(inGroup, 144));
        assertEquals(-Errno.ESTALE, createAs("f", 0666, 022, 1234, 5678).error());
    }

    @Test
    void whoMakesAFileGetsItWhateverItsMode() throws Exception {
        FuseAnswer made = createAs("f", 0, 0, 1234, 5678);
        byte[] data = {1, 2, 3};
        assertEquals(3, fs.write(entry(made), made.u64(128), 0, data).u32(0));
        assertArrayEquals(data, fs.read(entry(made), made.u64(128), 0, 3).bytes(0));
    }

    @Test
    void flagsOfAFileAreItsOwnersToSet() throws Exception {
        Path file = Files.writeString(root.resolve("f"), "content");
        Files.setAttribute(file, "unix:uid", 1234);
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        int noDump = 0x40;
        FuseAnswer now = ioctl(node, fh, 0x8008_6601, 0, 4, 0);
        assumeTrue(now.error() == 0, "inode flags on the host");
        int flags = now.u32(16);
        assertEquals(0, flags & noDump);
        // Linux before 5.13 does not judge that by itself
        assertEquals(
                -Errno.EPERM,
                ioctl(node, fh, 0x4008_6602, flags | noDump, 0, 999).error());
        assertEquals(flags, ioctl(node, fh, 0x8008_6601, 0, 4, 999).u32(16));
        for (int owner : new int[] {1234, 0}) {
            assertEquals(
                    0, ioctl(node, fh, 0x4008_6602, flags | noDump, 0, owner).error());
            assertEquals(flags | noDump, ioctl(node, fh, 0x8008_6601, 0, 4, 999).u32(16));
            assertEquals(0, ioctl(node, fh, 0x4008_6602, flags, 0, owner).error());
        }
    }

    private FuseAnswer ioctl(long node, long fh, int command, int argument, int outBytes, int uid) throws Exception {
        var message = fs.message(FUSE_IOCTL, node).u64(fh).u32(0).u32(command).u64(0);
        message.u32(4).u32(outBytes).u32(argument);
        return fs.call(message.as(uid, uid), 16 + outBytes);
    }

    @Test
    void openingForTruncationDropsThemToo() throws Exception {
        Path file = Files.writeString(root.resolve("f"), "content");
        Files.setAttribute(file, "unix:mode", 06777);
        long node = fs.node(ROOT, "f");
        assertEquals(
                0,
                fs.call(fs.message(FUSE_OPEN, node).u32(O_RDWR | 0x200).u32(1), 16)
                        .error());
        assertEquals(0777, attribute("f", "mode") & 07777);
        assertEquals(0, Files.size(file));
    }

    @Test
    void idsAreTranslated() throws Exception {
        fs.close();
        IdMap uids = IdMap.parse(List.of("map:0:100000:1000", "forbid-guest:5000:10", "squash-guest:6000:99:1000"));
        IdMap gids = IdMap.parse(List.of("map:0:200000:1000"));
        fs = new FsFixture(root, PassthroughOptions.defaults().withIds(uids, gids));
        FuseAnswer made = createAs("f", 0666, 0, 7, 8);
        assertEquals(100_007, attribute("f", "uid"));
        assertEquals(200_008, attribute("f", "gid"));
        assertEquals(7, made.u32(40 + 68));
        assertEquals(8, made.u32(40 + 72));
        assertEquals(-Errno.EPERM, createAs("g", 0666, 0, 5005, 8).error());
        entry(createAs("h", 0666, 0, 6789, 8));
        assertEquals(99, attribute("h", "uid"));
        assertThrows(IllegalArgumentException.class, () -> IdMap.parse(List.of("map:0:1")));
        assertThrows(IllegalArgumentException.class, () -> IdMap.parse(List.of("map:0:4294967295:2")));
        assertThrows(IllegalArgumentException.class, () -> IdMap.parse(List.of("move:0:1:1")));
        assertThrows(IllegalArgumentException.class, () -> IdMap.parse(List.of("map:-1:1:1")));
    }

    @Test
    void whatTheHostHasIsTranslatedTheOtherWay() throws Exception {
        fs.close();
        // one of each kind, and one id that nothing matches
        IdMap uids = IdMap.parse(List.of("host:1000:0:1", "squash-host:2000:65534:1000", "guest:0:1000:1"));
        fs = new FsFixture(root, PassthroughOptions.defaults().withIds(uids, IdMap.IDENTITY));
        int[][] pairs = {{1000, 0}, {2000, 65534}, {2999, 65534}, {3000, 3000}};
        for (int[] pair : pairs) {
            Files.setAttribute(Files.createFile(root.resolve("h" + pair[0])), "unix:uid", pair[0]);
            FuseAnswer found = fs.lookup(ROOT, "h" + pair[0]);
            assertEquals(pair[1], found.u32(40 + 68), "uid " + pair[0] + " of the host");
        }
        entry(createAs("f", 0644, 0, 0, 0));
        assertEquals(1000, attribute("f", "uid"));
        long node = fs.node(ROOT, "f");
        assertEquals(0, chown(node, 77), "an id that no rule matches is itself");
        assertEquals(77, attribute("f", "uid"));
        assertEquals(0, chown(node, 0));
        assertEquals(1000, attribute("f", "uid"));
    }

    @Test
    void whatIsForbiddenIsForbiddenInChownToo() throws Exception {
        fs.close();
        IdMap uids = IdMap.parse(List.of("map:1000:1000:1", "forbid-guest:0:4294967295"));
        fs = new FsFixture(root, PassthroughOptions.defaults().withIds(uids, IdMap.IDENTITY));
        entry(createAs("f", 0644, 0, 1000, 0));
        long node = fs.node(ROOT, "f");
        assertEquals(-Errno.EPERM, chown(node, 0));
        assertEquals(0, chown(node, 1000));
        assertEquals(-Errno.EPERM, createAs("g", 0644, 0, 0, 0).error());
        assertFalse(Files.exists(root.resolve("g")));
    }

    private int chown(long node, int uid) throws Exception {
        var message = fs.message(FUSE_SETATTR, node).u32(2).u32(0).bytes(new byte[60]);
        return fs.call(message.u32(0).u32(0).u32(uid).u32(0).u32(0).as(0, 0), 104)
                .error();
    }
}
