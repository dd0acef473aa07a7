package org.virtiobackend.devices.fs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.DirectoryIo;
import org.virtiobackend.posix.Fd;
import org.virtiobackend.posix.FileAttributes;
import org.virtiobackend.posix.FileIdentity;
import org.virtiobackend.posix.FileIo;

/** By what a file is known again whose descriptor was closed. */
class FileIdentityTest {
    @TempDir
    private Path directory;

    private static Fd path(Path file) throws IOException {
        return FileIo.open(file.toString(), DirectoryIo.O_PATH, 0);
    }

    private static FileAttributes attributes(Fd fd) {
        FileAttributes attributes = new FileAttributes();
        assertEquals(0, attributes.readFd(fd.value()));
        return attributes;
    }

    /** For tests of what needs files that are known again. */
    static void assumeIdentities(Path file) throws IOException {
        try (Fd fd = path(file)) {
            assumeTrue(new FileIdentity().of(fd.value()) != null, "file handles on this file system");
        }
    }

    @Test
    void oneFileByTwoNamesIsTheSame() throws Exception {
        assumeIdentities(directory);
        Path file = Files.createFile(directory.resolve("a"));
        Path link = Files.createLink(directory.resolve("b"), file);
        Path other = Files.createFile(directory.resolve("c"));
        FileIdentity identities = new FileIdentity();
        try (Fd a = path(file);
                Fd b = path(link);
                Fd c = path(other)) {
            byte[] identity = identities.of(a.value());
            assertTrue(identities.matches(b.value(), identity));
            assertFalse(identities.matches(c.value(), identity));
        }
    }

    @Test
    void theSameHandleOnAnotherMountIsAnother() throws Exception {
        assumeIdentities(directory);
        // a process in a mount namespace of its own has its own mount of every file system
        List<String> command = new ArrayList<>(List.of("unshare", "--mount"));
        if (!"root".equals(System.getProperty("user.name"))) {
            command.add("--map-root-user");
        }
        command.add("cat");
        Process process;
        try {
            process = new ProcessBuilder(command).start();
        } catch (IOException e) {
            abort("no unshare(1): " + e.getMessage());
            return;
        }
        try {
            assumeTrue(echoes(process), "no mount namespaces for this user");
            Path elsewhere = Path.of("/proc/" + process.pid() + "/root" + directory.toAbsolutePath());
            FileIdentity identities = new FileIdentity();
            try (Fd here = path(directory);
                    Fd there = path(elsewhere)) {
                assertEquals(attributes(here).inode(), attributes(there).inode());
                assertEquals(attributes(here).device(), attributes(there).device());
                assertNotEquals(attributes(here).mountId(), attributes(there).mountId());
                assertFalse(identities.matches(there.value(), identities.of(here.value())));
            }
        } finally {
            process.destroyForcibly();
        }
    }

    /** False also when it ended before it was written to. */
    private static boolean echoes(Process process) {
        try {
            BufferedWriter in = process.outputWriter();
            in.write("there\n");
            in.flush();
            return "there".equals(process.inputReader().readLine());
        } catch (IOException e) {
            return false;
        }
    }
}
