package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The kernel here is the oracle; for other architectures their headers are. */
class ArchitectureFlagsTest {
    @TempDir
    private Path directory;

    /** What the kernel keeps of the flags of an open file. */
    private static int kept(Fd fd) throws Exception {
        Matcher flags = Pattern.compile("flags:\\s+0?([0-7]+)")
                .matcher(Files.readString(Path.of("/proc/self/fdinfo/" + fd.value())));
        assertTrue(flags.find());
        return Integer.parseInt(flags.group(1), 8);
    }

    @Test
    void theKernelTakesThem() throws Exception {
        Path file = Files.createFile(directory.resolve("f"));
        Files.createSymbolicLink(directory.resolve("l"), file);
        assertEquals(Errno.ENOTDIR, refused(file, FileIo.O_DIRECTORY));
        assertEquals(Errno.ELOOP, refused(directory.resolve("l"), DirectoryIo.O_NOFOLLOW));
        try (Fd fd = FileIo.open(directory.toString(), FileIo.O_DIRECTORY, 0)) {
            assertEquals(FileIo.O_DIRECTORY, kept(fd) & (FileIo.O_DIRECTORY | FileIo.O_DIRECT));
        }
    }

    private static int refused(Path path, int flag) {
        try {
            FileIo.open(path.toString(), flag, 0).close();
            return 0;
        } catch (ErrnoException e) {
            return e.errno();
        }
    }

    @Test
    void armAndPowerHaveTheirOwn() {
        assertEquals(0200000, Architecture.openFlag("aarch64", 040000, 0200000, 0400000));
        assertEquals(0400000, Architecture.openFlag("ppc64le", 040000, 0200000, 0400000));
        for (String generic : new String[] {"amd64", "s390x", "riscv64", "loongarch64"}) {
            assertEquals(040000, Architecture.openFlag(generic, 040000, 0200000, 0400000), generic);
        }
    }
}
