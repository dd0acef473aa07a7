package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.UserDefinedFileAttributeView;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.devices.fs.passthrough.XattrMap;
import org.virtiobackend.posix.Errno;

/** Holes, copies, inode flags, extended attributes. */
class SpaceAndXattrTest {
    @TempDir
    private Path root;

    private FsFixture fs;

    private void start(PassthroughOptions options) throws Exception {
        Files.writeString(root.resolve("f"), "0123456789");
        fs = new FsFixture(root, options);
    }

    @AfterEach
    void stop() {
        if (fs != null) {
            fs.close();
        }
    }

    @Test
    void findsHolesAndMakesThem() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        assertEquals(0, fallocate(node, fh, 0, 0, 1 << 20));
        assertEquals(1 << 20, Files.size(root.resolve("f")));
        fs.write(node, fh, 0, new byte[1 << 20]);
        assertEquals(0, fallocate(node, fh, 3, 65536, 65536), "a hole");
        FuseAnswer hole =
                fs.call(fs.message(FUSE_LSEEK, node).u64(fh).u64(0).u32(4).u32(0), 8);
        assertEquals(0, hole.error());
        assertTrue(hole.u64(0) == 65536 || hole.u64(0) == 1 << 20, "where the file system has holes or has none");
        assertEquals(
                -Errno.EINVAL,
                fs.call(fs.message(FUSE_LSEEK, node).u64(fh).u64(0).u32(0).u32(0), 8)
                        .error());
    }

    private int fallocate(long node, long fh, int mode, long offset, long length) throws Exception {
        return fs.call(
                        fs.message(FUSE_FALLOCATE, node)
                                .u64(fh)
                                .u64(offset)
                                .u64(length)
                                .u32(mode)
                                .u32(0),
                        0)
                .error();
    }

    @Test
    void copiesOnTheHost() throws Exception {
        start(PassthroughOptions.defaults());
        long from = fs.node(ROOT, "f");
        long fromFh = fs.handle(from, O_RDONLY);
        FuseAnswer created = fs.create(ROOT, "g", O_RDWR, 0600);
        long to = entry(created);
        for (int opcode : new int[] {FUSE_COPY_FILE_RANGE, FUSE_COPY_FILE_RANGE_64}) {
            FuseAnswer copied = fs.call(
                    fs.message(opcode, from)
                            .u64(fromFh)
                            .u64(2)
                            .u64(to)
                            .u64(created.u64(128))
                            .u64(1)
                            .u64(-1)
                            .u64(0),
                    8);
            assertEquals(0, copied.error());
            assertEquals(8, opcode == FUSE_COPY_FILE_RANGE ? copied.u32(0) : copied.u64(0));
        }
        assertEquals("\00023456789", Files.readString(root.resolve("g")));
        int seconds = 120; // all that this machine has to write
        assertEquals(
                0, fs.call(fs.message(FUSE_SYNCFS, ROOT).u64(0), 0, seconds).error());
    }

    @Test
    void regularFilesAreAlwaysReady() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        FuseAnswer ready = fs.call(
                fs.message(FUSE_POLL, node)
                        .u64(fs.handle(node, O_RDWR))
                        .u64(0)
                        .u32(0)
                        .u32(5),
                8);
        assertEquals(5, ready.u32(0));
    }

    @Test
    void tellsMoreThanStat() throws Exception {
        start(PassthroughOptions.defaults());
        FuseAnswer statx = fs.call(
                fs.message(FUSE_STATX, fs.node(ROOT, "f"))
                        .u32(0)
                        .u32(0)
                        .u64(0)
                        .u32(0)
                        .u32(0xfff),
                288);
        assertEquals(0, statx.error());
        assertEquals(10, statx.u64(32 + 40));
        assertEquals(Files.getAttribute(root.resolve("f"), "unix:ino"), statx.u64(32 + 32));
    }

    @Test
    void onlyKnownIoctlsReachTheHost() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDONLY);
        assertEquals(-Errno.ENOTTY, ioctl(node, fh, 0x5401, 0).error(), "TCGETS");
        assertEquals(-Errno.ENOTTY, ioctl(node, fh, 0x4004_6604, 0).error());
        FuseAnswer flags = ioctl(node, fh, 0x8008_6601, 4);
        assumeTrue(flags.error() != -Errno.EOPNOTSUPP && flags.error() != -Errno.ENOTTY, "inode flags on the host");
        assertEquals(20, flags.body().limit());
        assertEquals(-Errno.EINVAL, ioctl(node, fh, 0x8008_6601, 3).error());
    }

    private FuseAnswer ioctl(long node, long fh, int command, int outBytes) throws Exception {
        return fs.call(
                fs.message(FUSE_IOCTL, node)
                        .u64(fh)
                        .u32(0)
                        .u32(command)
                        .u64(0)
                        .u32(0)
                        .u32(outBytes),
                16 + outBytes);
    }

    private int setxattr(long node, String name, String value) throws Exception {
        return fs.call(
                        fs.message(FUSE_SETXATTR, node)
                                .u32(value.length())
                                .u32(0)
                                .u32(0)
                                .u32(0)
                                .text(name)
                                .bytes(value.getBytes(UTF_8)),
                        0)
                .error();
    }

    private FuseAnswer getxattr(long node, String name, int size) throws Exception {
        return fs.call(fs.message(FUSE_GETXATTR, node).u32(size).u32(0).text(name), Math.max(8, size));
    }

    private FuseAnswer listxattr(long node, int size) throws Exception {
        return fs.call(fs.message(FUSE_LISTXATTR, node).u32(size).u32(0), Math.max(8, size));
    }

    private UserDefinedFileAttributeView hostView() {
        return Files.getFileAttributeView(root.resolve("f"), UserDefinedFileAttributeView.class);
    }

    private void assumeUserAttributes() {
        try {
            hostView().write("probe", java.nio.ByteBuffer.allocate(1));
            hostView().delete("probe");
        } catch (IOException e) {
            abort("user attributes on the host: " + e.getMessage());
        }
    }

    @Test
    void keepsExtendedAttributes() throws Exception {
        start(PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        int result = setxattr(node, "user.colour", "green");
        assumeTrue(result != -Errno.EOPNOTSUPP, "user attributes on the host");
        assertEquals(0, result);
        assertEquals(5, hostView().size("colour"));
        assertEquals(5, getxattr(node, "user.colour", 0).u32(0));
        assertArrayEquals(
                "green".getBytes(UTF_8), getxattr(node, "user.colour", 100).bytes(0));
        assertEquals(-Errno.ERANGE, getxattr(node, "user.colour", 3).error());
        assertEquals("user.colour\0", new String(listxattr(node, 100).bytes(0), UTF_8));
        assertEquals(12, listxattr(node, 0).u32(0));
        assertEquals(
                0,
                fs.call(fs.message(FUSE_REMOVEXATTR, node).text("user.colour"), 0)
                        .error());
        assertEquals(-Errno.ENODATA, getxattr(node, "user.colour", 100).error());
        assertEquals(
                -Errno.EOPNOTSUPP,
                getxattr(node, "system.posix_acl_access", 100).error());
    }

    @Test
    void doesNotNameListsThatItDoesNotServe() throws Exception {
        start(PassthroughOptions.builder().posixAcl(true).build());
        assumeUserAttributes();
        // struct posix_acl_xattr_header, then tag, permissions and id: owner, user 7, group, mask, others
        String acl = "\2\0\0\0" + "\1\0\6\0\0\0\0\0" + "\2\0\4\0\7\0\0\0" + "\4\0\4\0\0\0\0\0" + "\20\0\4\0\0\0\0\0"
                + "\40\0\0\0\0\0\0\0";
        int result = setxattr(fs.node(ROOT, "f"), "system.posix_acl_access", acl);
        assumeTrue(result != -Errno.EOPNOTSUPP, "access control lists on the host");
        assertEquals(0, result);
        assertEquals(0, setxattr(fs.node(ROOT, "f"), "user.colour", "green"));
        assertEquals(List.of("system.posix_acl_access", "user.colour"), listed(fs.node(ROOT, "f")));
        fs.close();
        fs = new FsFixture(root, PassthroughOptions.defaults());
        long node = fs.node(ROOT, "f");
        assertEquals(
                -Errno.EOPNOTSUPP,
                getxattr(node, "system.posix_acl_access", 100).error());
        assertEquals(List.of("user.colour"), listed(node));
        assertEquals(12, listxattr(node, 0).u32(0));
        assertEquals(12, listxattr(node, 12).body().limit());
        assertEquals(-Errno.ERANGE, listxattr(node, 11).error());
    }

    @Test
    void keepsThemUnderAPrefixAndShowsNothingElse() throws Exception {
        start(PassthroughOptions.defaults().withXattrs(XattrMap.prefixed("user.guest.")));
        assumeUserAttributes();
        hostView().write("host", java.nio.ByteBuffer.wrap(new byte[3]));
        long node = fs.node(ROOT, "f");
        assertEquals(0, setxattr(node, "trusted.a", "1"));
        assertEquals(0, setxattr(node, "security.capability", "cap"));
        assertEquals(1, hostView().size("guest.trusted.a"));
        assertEquals("1", new String(getxattr(node, "trusted.a", 100).bytes(0), UTF_8));
        assertEquals(-Errno.ENODATA, getxattr(node, "user.host", 100).error());
        assertEquals(30, listxattr(node, 0).u32(0));
        assertEquals(30, listxattr(node, 100).body().limit());
        assertEquals(-Errno.ERANGE, listxattr(node, 20).error());
        // CVE-2021-20263: the host does not know that this is a capability
        fs.write(node, fs.handle(node, O_RDWR), 0, new byte[1]);
        assertEquals(-Errno.ENODATA, getxattr(node, "security.capability", 100).error());
    }

    // hostile-driver.md row 32
    @Test
    void everyChangeDropsACapabilityThatTheHostDoesNotKnow() throws Exception {
        start(PassthroughOptions.defaults().withXattrs(XattrMap.prefixed("user.guest.")));
        assumeUserAttributes();
        long node = fs.node(ROOT, "f");
        long fh = fs.handle(node, O_RDWR);
        FuseMessage setSize =
                fs.message(FUSE_SETATTR, node).u32(8).u32(0).u64(0).u64(1).bytes(new byte[64]);
        List<FuseMessage> changes = List.of(
                fs.message(FUSE_OPEN, node).u32(O_RDWR | 0x200).u32(0),
                fs.message(FUSE_FALLOCATE, node).u64(fh).u64(0).u64(10).u64(0),
                fs.message(FUSE_COPY_FILE_RANGE, node)
                        .u64(fh)
                        .u64(0)
                        .u64(node)
                        .u64(fh)
                        .u64(4096)
                        .u64(10)
                        .u64(0),
                setSize);
        for (FuseMessage change : changes) {
            assertEquals(0, setxattr(node, "security.capability", "cap"));
            FuseAnswer answer = fs.call(change, 128);
            assertEquals(0, answer.error());
            assertEquals(
                    -Errno.ENODATA, getxattr(node, "security.capability", 100).error());
        }
    }

    private List<String> listed(long node) throws Exception {
        return Stream.of(new String(listxattr(node, 1000).bytes(0), UTF_8).split("\0"))
                .sorted()
                .toList();
    }

    @Test
    void mapsSomeOfThemAsVirtiofsdDoes() throws Exception {
        // the second example of virtiofsd's documentation of --xattrmap, in its short form
        start(PassthroughOptions.defaults().withXattrs(XattrMap.parse("/map/trusted./user.virtiofs./")));
        assumeUserAttributes();
        hostView().write("plain", java.nio.ByteBuffer.wrap(new byte[3]));
        long node = fs.node(ROOT, "f");
        assertEquals(0, setxattr(node, "trusted.a", "1"));
        assertEquals(0, setxattr(node, "user.b", "2"));
        assertEquals(1, hostView().size("virtiofs.trusted.a"));
        assertEquals(1, hostView().size("b"));
        assertEquals(List.of("trusted.a", "user.b", "user.plain"), listed(node));
        assertEquals(-Errno.EPERM, setxattr(node, "user.virtiofs.trusted.a", "3"), "not by its name on the host");
        assertEquals(-Errno.EPERM, getxattr(node, "user.virtiofs.x", 100).error());
        assertEquals(0, setxattr(node, "trusted." + "x".repeat(200), "1"));
        assertEquals(-Errno.ERANGE, setxattr(node, "trusted." + "x".repeat(240), "1"), "too long on the host");
    }

    @Test
    void refusesAndHidesThemByRules() throws Exception {
        String rules = ":unsupported:all:security.:security.: :bad:client:user.closed.:: "
                + ":bad:server::user.hidden: |ok|all|||";
        start(PassthroughOptions.defaults().withXattrs(XattrMap.parse(rules)));
        assumeUserAttributes();
        hostView().write("hidden", java.nio.ByteBuffer.wrap(new byte[3]));
        hostView().write("seen", java.nio.ByteBuffer.wrap(new byte[3]));
        long node = fs.node(ROOT, "f");
        assertEquals(-Errno.EOPNOTSUPP, setxattr(node, "security.capability", "c"));
        assertEquals(-Errno.EPERM, setxattr(node, "user.closed.a", "c"));
        assertEquals(
                -Errno.EPERM,
                fs.call(fs.message(FUSE_REMOVEXATTR, node).text("user.closed.a"), 0)
                        .error());
        assertEquals(List.of("user.seen"), listed(node));
    }

    /** The guest's kernel asks nobody whether its user may, and the host would let the server. */
    @Test
    void refusesListsOfTheHostsKindsUnlessTheyAreKeptElsewhere() throws Exception {
        start(PassthroughOptions.defaults());
        FuseMessage strange =
                fs.message(FUSE_SETXATTR, fs.node(ROOT, "f")).u32(1).u32(4); // no flags that the host takes
        strange.u32(0).u32(0).text("system.nfs4_acl").bytes((byte) 1);
        assertEquals(-Errno.EOPNOTSUPP, fs.call(strange, 0).error(), "not the host says so");
        fs.close();
        start(PassthroughOptions.defaults().withXattrs(XattrMap.prefixed("user.virtiofs.")));
        assumeTrue(setxattr(fs.node(ROOT, "f"), "user.a", "1") == 0, "user attributes on the host");
        assertEquals(0, setxattr(fs.node(ROOT, "f"), "system.nfs4_acl", "1"));
        assertEquals(List.of("system.nfs4_acl", "user.a"), listed(fs.node(ROOT, "f")));
        assertEquals(1, hostView().size("virtiofs.system.nfs4_acl"));
    }

    @Test
    void rulesForThemHaveToBeWhole() {
        for (String wrong : List.of(
                ":ok:all::",
                ":prefix:all::user.x.:",
                ":ok:client:::",
                ":no:all:::",
                ":ok:none:::",
                ":map::user.x.: :ok:all:::",
                ":prefix:all::" + "x".repeat(65) + ": :bad:all:::")) {
            assertThrows(IllegalArgumentException.class, () -> XattrMap.parse(wrong), wrong);
        }
    }
}
