package org.virtiobackend.devices.fs;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.junit.jupiter.api.Assertions.*;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.virtiobackend.devices.fs.FsFixture.*;
import static org.virtiobackend.devices.fs.fuse.FuseOpcode.*;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.fs.driver.FuseAnswer;
import org.virtiobackend.devices.fs.passthrough.PassthroughOptions;
import org.virtiobackend.posix.Errno;

/** A driver knows more files than there are descriptors for. */
class EvictionTest {
    private static final int OPEN = 32;
    private static final int FILES = 400;

    @TempDir
    private Path root;

    private FsFixture fs;
    private final List<Long> nodes = new ArrayList<>();
    private long directory;

    @BeforeEach
    void start() throws Exception {
        FileIdentityTest.assumeIdentities(root);
        Path d = Files.createDirectory(root.resolve("d"));
        for (int i = 0; i < FILES; i++) {
            Files.writeString(d.resolve("f" + i), "content" + i);
        }
        fs = new FsFixture(root, PassthroughOptions.defaults().withLimits(10_000, OPEN, 100));
        directory = fs.node(ROOT, "d");
        for (int i = 0; i < FILES; i++) {
            nodes.add(fs.node(directory, "f" + i));
        }
    }

    @AfterEach
    void stop() {
        if (fs != null) {
            fs.close();
        }
    }

    private String content(long node) throws Exception {
        long fh = fs.handle(node, O_RDONLY);
        String text = new String(fs.read(node, fh, 0, 100).bytes(0), UTF_8);
        assertEquals(0, fs.release(node, fh).error());
        return text;
    }

    @Test
    void allFilesAreServedAndFewAreOpen() throws Exception {
        assertTrue(fs.server.openInodeCount() <= OPEN, fs.server.openInodeCount() + " open");
        assertEquals(FILES + 2, fs.server.inodeCount());
        for (int i = 0; i < FILES; i++) {
            assertEquals("content" + i, content(nodes.get(i)));
        }
        assertTrue(fs.server.openInodeCount() <= OPEN);
        for (int i = 0; i < FILES; i++) {
            assertEquals(nodes.get(i), fs.node(directory, "f" + i), "the same node as before");
        }
    }

    @Test
    void filesThatTheDriverMovesAreFound() throws Exception {
        for (int i = 0; i < FILES; i++) {
            assertEquals(
                    0,
                    fs.call(
                                    fs.message(FUSE_RENAME, directory)
                                            .u64(ROOT)
                                            .text("f" + i)
                                            .text("g" + i),
                                    0)
                            .error());
        }
        int found = 0;
        for (int i = 0; i < FILES; i++) {
            var answer = fs.open(nodes.get(i), O_RDONLY);
            if (answer.error() == 0) {
                found++;
                fs.release(nodes.get(i), answer.u64(0));
            }
        }
        assertEquals(FILES, found);
    }

    @Test
    void filesThatKeepTheirDescriptorsAreNotMoreThanThereMayBe() throws Exception {
        Files.createFile(root.resolve("new"));
        List<Long> unnamed = new ArrayList<>();
        FuseAnswer made = unnamed();
        assumeTrue(made.error() != -Errno.EOPNOTSUPP, "O_TMPFILE on this file system");
        while (made.error() == 0 && unnamed.size() <= OPEN) {
            unnamed.add(entry(made));
            assertEquals(0, fs.release(entry(made), made.u64(128)).error());
            made = unnamed();
        }
        assertEquals(-Errno.ENFILE, made.error());
        assertEquals(OPEN, fs.server.openInodeCount());
        assertEquals(-Errno.ENFILE, fs.lookup(ROOT, "new").error());
        assertEquals(-Errno.ESTALE, fs.open(nodes.get(0), O_RDONLY).error(), "it would need one again");
        assertEquals(OPEN, fs.server.openInodeCount());
        unnamed.forEach(node -> fs.forget(node, 1));
        for (int i = 0; i < FILES; i++) {
            assertEquals("content" + i, content(nodes.get(i)));
        }
        fs.node(ROOT, "new");
    }

    private FuseAnswer unnamed() throws Exception {
        return fs.call(
                fs.message(FUSE_TMPFILE, ROOT)
                        .u32(O_RDWR)
                        .u32(0600)
                        .u32(0)
                        .u32(0)
                        .text(""),
                144);
    }

    @Test
    void filesThatTheHostMovesAreFoundWhereTheDriverSawThemLast() throws Exception {
        Path d = root.resolve("d");
        for (int i = 0; i < FILES; i++) {
            fs.node(directory, "f" + i); // so that it has a descriptor while it moves
            Files.move(d.resolve("f" + i), d.resolve("g" + i));
            assertEquals(nodes.get(i), fs.node(directory, "g" + i));
        }
        for (int i = 0; i < FILES; i++) {
            assertEquals("content" + i, content(nodes.get(i)));
        }
    }

    @Test
    void filesThatTheHostMovesWithoutADescriptorAreFoundAsWell() throws Exception {
        Path d = root.resolve("d");
        for (int i = 0; i < FILES; i++) {
            Files.move(d.resolve("f" + i), d.resolve("g" + i));
        }
        for (int i = 0; i < FILES; i++) {
            assertEquals(nodes.get(i), fs.node(directory, "g" + i));
        }
        for (int i = 0; i < FILES; i++) {
            assertEquals("content" + i, content(nodes.get(i)));
        }
    }

    @Test
    void anotherFileUnderTheNameIsNotTakenForIt() throws Exception {
        Path d = root.resolve("d");
        for (int i = 0; i < FILES; i++) {
            Files.delete(d.resolve("f" + i));
            Files.writeString(d.resolve("f" + i), "another" + i); // often with the same inode number
        }
        int stale = 0;
        for (int i = 0; i < FILES; i++) {
            var answer = fs.open(nodes.get(i), O_RDONLY);
            if (answer.error() == 0) {
                assertEquals(
                        "content" + i,
                        new String(fs.read(nodes.get(i), answer.u64(0), 0, 100).bytes(0), UTF_8));
                fs.release(nodes.get(i), answer.u64(0));
            } else {
                assertEquals(-Errno.ESTALE, answer.error());
                stale++;
            }
        }
        assertTrue(stale >= FILES - OPEN - 1, stale + " stale");
        for (int i = 0; i < FILES; i++) {
            long fresh = fs.node(directory, "f" + i);
            assertNotEquals(nodes.get(i), fresh);
            assertEquals("another" + i, content(fresh));
        }
    }

    @Test
    void forgettingFreesFilesWithAndWithoutDescriptors() {
        nodes.forEach(node -> fs.forget(node, 1));
        assertEquals(2, fs.server.inodeCount());
        assertEquals(2, fs.server.openInodeCount());
    }

    @Test
    void aDirectoryThatWasClosedIsOpenedOnTheWay() throws Exception {
        long deep = ROOT;
        Path path = root;
        for (int i = 0; i < 50; i++) {
            path = Files.createDirectory(path.resolve("deep"));
            deep = fs.node(deep, "deep");
        }
        Files.writeString(path.resolve("end"), "the end");
        long end = fs.node(deep, "end");
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < FILES; i++) {
                fs.getattr(nodes.get(i));
            }
        }
        assertEquals("the end", content(end));
    }
}
