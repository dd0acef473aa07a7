package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.cli.EmbeddedShare.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.driver.FuseMessage;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.posix.Landlock;

/** A directory shared by an ordinary user: what that user may do, and nothing more. As root the user is nobody. */
@Timeout(value = 90, unit = TimeUnit.SECONDS)
class FsUserTest {
    private static final int NOBODY = 65534;
    private static final boolean ROOT_USER = "root".equals(System.getProperty("user.name"));
    private static final List<String> AS_NOBODY =
            List.of("setpriv", "--reuid=" + NOBODY, "--regid=" + NOBODY, "--clear-groups", "--");
    private static final int S_IFIFO = 0x1000;
    private static final int S_IFCHR = 0x2000;

    @TempDir
    private Path directory;

    private Path shared;
    private int uid;
    private BackendProcess backend;
    private EmbeddedShare share;

    @BeforeEach
    void files() throws Exception {
        List<String> trial = new ArrayList<>(AS_NOBODY);
        trial.addAll(
                List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-version"));
        assumeTrue(!ROOT_USER || runs(trial), "as root this needs setpriv(1), and a Java that nobody can run");
        shared = Files.createDirectory(directory.resolve("shared"));
        Files.writeString(shared.resolve("theirs"), "theirs");
        Files.setPosixFilePermissions(shared.resolve("theirs"), PosixFilePermissions.fromString("rw-r--r--"));
        Files.writeString(shared.resolve("closed"), "closed");
        Files.setPosixFilePermissions(shared.resolve("closed"), PosixFilePermissions.fromString("---------"));
        if (ROOT_USER) {
            for (Path made : List.of(directory, shared)) {
                Files.setAttribute(made, "unix:uid", NOBODY);
                Files.setAttribute(made, "unix:gid", NOBODY);
                Files.setPosixFilePermissions(made, PosixFilePermissions.fromString("rwxr-xr-x"));
            }
        }
        uid = (int) Files.getAttribute(shared, "unix:uid");
    }

    @AfterEach
    void stop() throws Exception {
        if (share != null) {
            share.close();
        }
        if (backend != null) {
            assertEquals(0, backend.stop());
            backend.close();
        }
    }

    /** Whether a command works here. */
    static boolean runs(List<String> command) throws InterruptedException {
        try {
            return new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }

    /** What tells whether who runs it can read the program: that may be beneath somebody's home. */
    static List<String> readsProgram() {
        List<String> command = new ArrayList<>(List.of("sh", "-c", "for f; do test -r \"$f\" || exit 1; done", "sh"));
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        for (String entry : classPath().split(File.pathSeparator)) {
            if (Files.exists(Path.of(entry))) {
                command.add(entry.isEmpty() ? "." : entry);
            }
        }
        return command;
    }

    private void serve(String... more) throws Exception {
        serveBy(ROOT_USER ? AS_NOBODY : List.of(), more);
    }

    private void serveBy(List<String> runner, String... more) throws Exception {
        List<String> arguments = new ArrayList<>(List.of(
                "fs",
                "--socket-path=" + directory.resolve("socket"),
                "--shared-dir=" + shared,
                "--tag=share",
                "--xattr"));
        arguments.addAll(List.of(more));
        backend = BackendProcess.start(runner, ROOT_USER ? readableClassPath() : classPath(), arguments);
        share = EmbeddedShare.attach(directory.resolve("socket").toString());
    }

    private static String classPath() {
        return System.getProperty("java.class.path");
    }

    /** The program where everybody can read it: its own place may be beneath somebody's home. */
    private String readableClassPath() throws IOException {
        Path copy = Files.createDirectory(directory.resolve("classes"));
        StringBuilder path = new StringBuilder();
        for (String entry : classPath().split(File.pathSeparator)) {
            Path from = Path.of(entry);
            if (!Files.exists(from)) {
                continue;
            }
            Path to = copy.resolve(Integer.toString(path.length()) + from.getFileName());
            try (Stream<Path> all = Files.walk(from)) {
                for (Path file : all.toList()) {
                    Files.copy(file, to.resolve(from.relativize(file).toString()));
                }
            }
            path.append(path.length() == 0 ? "" : File.pathSeparator).append(to);
        }
        return path.toString();
    }

    private int attribute(String name, String what) throws IOException {
        return (int) Files.getAttribute(shared.resolve(name), "unix:" + what);
    }

    private static FuseMessage setattr(long node, int valid, int mode, int uid) {
        FuseMessage message = new FuseMessage(FUSE_SETATTR, node).u32(valid).u32(0);
        return message.bytes(new byte[60]).u32(mode).u32(0).u32(uid).u32(uid).u32(0);
    }

    @Test
    void filesThatAGuestMakesAreTheUsers() throws Exception {
        serve();
        for (int guest : new int[] {0, 1234}) {
            FuseAnswer made = share.call(
                    EmbeddedShare.createMessage(ROOT, "by" + guest, 0640).as(guest, guest), 144);
            assertEquals(0, made.error());
            byte[] data = "data".getBytes(StandardCharsets.UTF_8);
            assertEquals(0, share.write(made.u64(0), made.u64(128), data).error());
            assertArrayEquals(data, share.read(made.u64(0), made.u64(128), 100).bytes(0));
            assertEquals(uid, attribute("by" + guest, "uid"));
            assertEquals(0640, attribute("by" + guest, "mode") & 07777);
        }
        FuseMessage mkdir = new FuseMessage(FUSE_MKDIR, ROOT).u32(0755).u32(0).text("d");
        assertEquals(0, share.call(mkdir.as(1234, 1234), 128).error());
        assertEquals(uid, attribute("d", "uid"));
        FuseMessage rename = new FuseMessage(FUSE_RENAME, ROOT).u64(share.node(ROOT, "d"));
        assertEquals(0, share.call(rename.text("by0").text("in"), 0).error());
        assertTrue(Files.exists(shared.resolve("d/in")));
    }

    @Test
    void whatTheUserMayNotDoFailsAsOnTheHost() throws Exception {
        serve("--allow-device-nodes");
        long made = share.create(ROOT, "mine", 0600).u64(0);
        assertEquals(-Errno.EPERM, share.call(setattr(made, 2, 0, uid + 1), 104).error(), "chown");
        assertEquals(0, share.call(setattr(made, 2, 0, uid), 104).error(), "to whom it belongs");
        assertEquals(0, share.call(setattr(made, 1, 0444, 0), 104).error(), "chmod");
        assertEquals(0444, attribute("mine", "mode") & 07777);
        assertEquals(
                -Errno.EPERM, share.call(mknod("null", S_IFCHR, 0x103), 128).error());
        assertEquals(0, share.call(mknod("fifo", S_IFIFO, 0), 128).error());
        FuseMessage trusted =
                new FuseMessage(FUSE_SETXATTR, made).u32(1).u32(0).u32(0).u32(0);
        assertEquals(
                -Errno.EPERM,
                share.call(trusted.text("trusted.x").bytes((byte) 1), 0).error());
        FuseMessage create = EmbeddedShare.createMessage(ROOT, "mine", 0600).as(1234, 1234);
        assertEquals(-Errno.ESTALE, share.call(create, 144).error(), "not the guest's user's: it is to look again");
        long closed = share.node(ROOT, "closed");
        assertEquals(-Errno.EACCES, share.open(closed, O_RDONLY).error());
        if (ROOT_USER) {
            long theirs = share.node(ROOT, "theirs");
            assertEquals(0, share.open(theirs, O_RDONLY).error());
            assertEquals(-Errno.EACCES, share.open(theirs, O_WRONLY).error(), "a guest's root is not the host's");
            assertEquals(
                    -Errno.EPERM, share.call(setattr(theirs, 1, 0777, 0), 104).error());
        }
    }

    private static FuseMessage mknod(String name, int type, int device) {
        FuseMessage message = new FuseMessage(FUSE_MKNOD, ROOT).u32(type | 0600).u32(device);
        return message.u32(0).u32(0).text(name);
    }

    @Test
    void theUserIsTheGuestsRootWithTheRecipeOfTheNotes() throws Exception {
        int gid = (int) Files.getAttribute(shared, "unix:gid");
        serve("--translate-uid=map:0:" + uid + ":1", "--translate-gid=map:0:" + gid + ":1");
        FuseAnswer made = share.create(ROOT, "f", 0600);
        assertEquals(0, made.error());
        assertEquals(0, made.u32(40 + 68), "root's, in the guest");
        assertEquals(uid, attribute("f", "uid"));
        assertEquals(0, share.call(setattr(made.u64(0), 6, 0, 0), 104).error(), "chown root:root");
        assertEquals(
                -Errno.EPERM, share.call(setattr(made.u64(0), 2, 0, 1), 104).error());
    }

    // as systemd starts one with User= and AmbientCapabilities=
    @Test
    void aUserWithCapabilitiesActsForOthersAndKeepsThem() throws Exception {
        String capabilities = "+chown,+dac_override,+dac_read_search,+fowner,+fsetid,+setuid,+setgid,+mknod";
        List<String> runner = List.of(
                "setpriv",
                "--reuid=" + NOBODY,
                "--regid=" + NOBODY,
                "--clear-groups",
                "--inh-caps=" + capabilities,
                "--ambient-caps=" + capabilities,
                "--");
        List<String> trial = new ArrayList<>(runner);
        trial.add("true");
        assumeTrue(ROOT_USER && runs(trial), "root, and a setpriv(1) that gives capabilities");
        serveBy(runner);
        long closed = share.node(ROOT, "closed");
        for (int round = 0; round < 2; round++) {
            FuseMessage byRoot = EmbeddedShare.createMessage(ROOT, "root's" + round, 0600);
            FuseAnswer made = share.call(byRoot.as(0, 0), 144);
            assertEquals(0, made.error());
            assertEquals(0, attribute("root's" + round, "uid"));
            assertEquals(0, share.open(closed, O_RDWR).error(), "as whoever it is");
            assertEquals(0, share.call(setattr(closed, 2, 0, 1234), 104).error(), "chown");
            assertEquals(0, share.call(setattr(closed, 1, 0400, 0), 104).error(), "chmod");
            FuseMessage byOther = EmbeddedShare.createMessage(ROOT, "other's", 0600);
            assertEquals(-Errno.EACCES, share.call(byOther.as(1234, 1234), 144).error(), "may not write the directory");
        }
    }

    @Test
    void theSandboxNeedsNoPrivilege() throws Exception {
        assumeTrue(
                Landlock.version() >= FsSandbox.RENAMES, "landlock of this kernel has version " + Landlock.version());
        Files.createDirectory(shared.resolve("d"));
        Files.setPosixFilePermissions(shared.resolve("d"), PosixFilePermissions.fromString("rwxrwxrwx"));
        serve("--sandbox=landlock");
        long d = share.node(ROOT, "d");
        Files.move(shared.resolve("d"), directory.resolve("outside"));
        assertEquals(-Errno.EACCES, share.opendir(d).error());
        assertEquals(-Errno.EACCES, share.create(d, "new", 0600).error());
        assertEquals(0, share.create(ROOT, "new", 0600).error());
    }
}
