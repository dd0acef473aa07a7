package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.cli.EmbeddedShare.*;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.posix.Errno;

/** The shared directories of a process share its descriptors: none of their guests can use up those of the others. */
@Timeout(value = 90, unit = TimeUnit.SECONDS)
class FsDescriptorsTest {
    private static final int DEVICES = 6;
    private static final int LIMIT = 1024;
    private static final int FILES = 300;

    @TempDir
    private Path directory;

    @Test
    void clientsDivideHalfOfTheHeapForTheFilesThatTheyKnow() {
        assertEquals(4_000_000, FsCommand.maxFiles(4L << 30, 1));
        assertEquals((1 << 30) / 1000, FsCommand.maxFiles(1L << 30, 1));
        assertEquals((1 << 30) / 16_000, FsCommand.maxFiles(1L << 30, 16));
    }

    @Test
    void devicesOfOneProcessDivideWhatThereIs() throws Exception {
        Path shared = Files.createDirectory(directory.resolve("shared"));
        for (int i = 0; i < FILES; i++) {
            Files.createFile(shared.resolve("f" + i));
        }
        StringBuilder devices = new StringBuilder();
        for (int i = 0; i < DEVICES; i++) {
            devices.append(i == 0 ? "" : ", ")
                    .append("{\"type\": \"fs\", \"tag\": \"share\", \"socket-path\": \"" + directory.resolve("s" + i)
                            + "\", \"shared-dir\": \"" + shared + "\"}");
        }
        Path config = Files.writeString(directory.resolve("config"), "{\"devices\": [" + devices + "]}");
        // root may raise the limit again, unless it has given that up
        boolean root = "root".equals(System.getProperty("user.name"));
        String drop = root ? "setpriv --bounding-set=-sys_resource" : "";
        assumeTrue(!root || FsUserTest.runs(List.of("sh", "-c", drop + " true")), "as root this needs setpriv(1)");
        List<String> runner = List.of("sh", "-c", "ulimit -n " + LIMIT + " && exec " + drop + " \"$@\"", "sh");
        List<EmbeddedShare> shares = new ArrayList<>();
        try (BackendProcess backend = BackendProcess.start(
                runner, System.getProperty("java.class.path"), List.of("serve", "--config=" + config))) {
            assumeTrue(limit(backend.pid()) == LIMIT, "this user may raise the limit of descriptors");
            for (int i = 0; i < DEVICES; i++) {
                shares.add(EmbeddedShare.attach(directory.resolve("s" + i).toString()));
                useUp(shares.get(i));
            }
            for (EmbeddedShare share : shares) {
                for (int i = 0; i < FILES; i++) {
                    assertEquals(0, share.lookup(ROOT, "f" + i).error(), "more files than descriptors");
                }
            }
            assertTrue(descriptors(backend.pid()) < LIMIT, descriptors(backend.pid()) + " descriptors");
            for (EmbeddedShare share : shares) {
                share.close();
            }
            assertEquals(0, backend.stop());
        }
    }

    /** Has as many files known and open as the device lets a guest have: there is an end before the process's. */
    private static void useUp(EmbeddedShare share) throws IOException {
        int error = 0;
        for (int i = 0; error == 0; i++) {
            long node = share.node(ROOT, "f" + i % FILES);
            error = share.open(node, O_RDONLY).error();
            assertTrue(i < LIMIT, "so many are open");
        }
        assertEquals(-Errno.ENFILE, error, "the device's limit, not that of the process");
    }

    private static int limit(long pid) throws IOException {
        return Files.readAllLines(Path.of("/proc/" + pid + "/limits")).stream()
                .filter(line -> line.startsWith("Max open files"))
                .mapToInt(line -> Integer.parseInt(line.split(" +")[3]))
                .findFirst()
                .orElseThrow();
    }

    private static int descriptors(long pid) {
        String[] open = Path.of("/proc", Long.toString(pid), "fd").toFile().list();
        return open == null ? 0 : open.length;
    }
}
