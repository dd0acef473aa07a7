package org.virtiobackend.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.abort;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MappingTest {
    private static final Path HUGE_PAGES = Path.of("/proc/sys/vm/nr_hugepages");
    private static final int READ_WRITE = Mapping.PROT_READ | Mapping.PROT_WRITE;
    private static final int MFD_HUGETLB = 4;
    private static final int SEEK_SET = 0;
    private static final int SEEK_CUR = 1;
    private static final long HUGE = 2 << 20;
    private static final long PAGE = 4096;

    @TempDir
    private Path directory;

    /** As QEMU sends memory-backend-memfd,hugetlb=on: below 640 KiB, and from 1 MiB on. */
    @Test
    void mapsAndUnmapsAnyPagesOfHugePages() throws Exception {
        int before = reserve(2);
        try (Fd file = Fd.adopt(LibC.memfd_create("vb-huge-test", MFD_HUGETLB))) {
            FileIo.truncate(file, 2 * HUGE);
            MappableFile.check(file, 2 * HUGE);
            Mapping low = Mapping.map(file, 0, 0xa0000, READ_WRITE);
            Mapping high = Mapping.map(file, 0x100000, 2 * HUGE - 0x100000, READ_WRITE);
            Mapping all = Mapping.map(file, 0, 2 * HUGE, READ_WRITE);
            assertEquals(0xa0000, low.length());
            low.window(0).putInt(0x9fffc, 1);
            high.window(0).putInt(0, 2);
            high.window(0).putInt((int) high.length() - 4, 3);
            assertEquals(1, all.window(0).getInt(0x9fffc));
            assertEquals(2, all.window(0).getInt(0x100000));
            assertEquals(3, all.window(0).getInt((int) all.length() - 4));
            assertTrue(Mapping.areIntact(List.of(low, high, all)));
            low.close();
            high.close();
            all.close();
            assertFalse(Files.readString(Path.of("/proc/self/maps")).contains("vb-huge-test"));
        } finally {
            Files.writeString(HUGE_PAGES, Integer.toString(before));
        }
    }

    @Test
    void checkLeavesThePositionThatThePeerShares() throws Exception {
        try (MemFd file = MemFd.create("peer", 3 * PAGE)) {
            LibC.lseek(file.fd().value(), 42, SEEK_SET);
            MappableFile.check(file.fd(), 3 * PAGE);
            assertEquals(42, LibC.lseek(file.fd().value(), 0, SEEK_CUR));
            assertEquals(Errno.EINVAL, refusal(file.fd(), 3 * PAGE + 1).errno());
        }
    }

    @Test
    void refusesWhatIsNotInTheHandsOfTheKernelAlone() throws Exception {
        try (Fd proc = FileIo.open("/proc/self/maps", FileIo.O_RDONLY, 0)) {
            assertEquals(
                    "file system of type 0x9fa0, whose pages may never come; use memfd, tmpfs, hugetlbfs or a local disk: "
                            + "invalid argument",
                    refusal(proc, 0).getMessage());
        }
        try (Fd here = FileIo.open("/dev/shm", FileIo.O_DIRECTORY, 0)) {
            assertEquals(
                    "neither a regular file nor a character device: invalid argument",
                    refusal(here, 0).getMessage());
        }
        try (Fd device = FileIo.open("/dev/zero", FileIo.O_RDWR, 0)) {
            MappableFile.check(device, 1L << 40); // says itself what it maps
        }
    }

    @Test
    void lookingForMemoryThatWentMakesNoPages() throws Exception {
        Path path = directory.resolve("sparse");
        long size = 1L << 40;
        try (MemFd sparse = MemFd.create("sparse", size);
                Mapping large = Mapping.map(sparse.fd(), 0, size, READ_WRITE);
                Fd file = FileIo.open(path.toString(), FileIo.O_RDWR | FileIo.O_CREAT, 0600)) {
            FileIo.truncate(file, 3 * PAGE);
            try (Mapping small = Mapping.map(file, PAGE, 2 * PAGE, READ_WRITE)) {
                assertTrue(Mapping.areIntact(List.of(large, small)));
                FileIo.truncate(file, 2 * PAGE);
                assertFalse(Mapping.areIntact(List.of(large, small)));
                assertFalse(Mapping.areIntact(List.of(small, large)));
                assertTrue(Mapping.areIntact(List.of(large)));
            }
            FileAttributes attributes = new FileAttributes();
            assertEquals(0, attributes.readFd(sparse.fd().value()));
            assertTrue(attributes.blocks() <= HUGE / 512, () -> attributes.blocks() + " blocks");
        }
    }

    private static ErrnoException refusal(Fd fd, long end) {
        return assertThrows(ErrnoException.class, () -> MappableFile.check(fd, end));
    }

    /** Has so many huge pages of 2 MiB free if it may; returns how many there were. */
    private static int reserve(int wanted) throws IOException {
        assumeTrue(Files.isWritable(HUGE_PAGES), "huge pages cannot be reserved");
        assumeTrue(Files.readString(Path.of("/proc/meminfo")).contains("Hugepagesize:       2048 kB"));
        int before = hugePages();
        try {
            Files.writeString(HUGE_PAGES, Integer.toString(before + wanted));
        } catch (IOException e) {
            abort("huge pages cannot be reserved");
        }
        if (hugePages() < before + wanted) {
            Files.writeString(HUGE_PAGES, Integer.toString(before));
            abort("no huge pages free");
        }
        return before;
    }

    private static int hugePages() throws IOException {
        return Integer.parseInt(Files.readAllLines(HUGE_PAGES).get(0));
    }
}
