package org.virtiobackend.devices.blk.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.virtiobackend.posix.Errno;
import org.virtiobackend.virtio.device.io.IoScratch;

class RawFileBackendTest {
    private static final RawFileBackend.Options WRITABLE = new RawFileBackend.Options(false, false, true, 512);
    private static final RawFileBackend.Options READ_ONLY = new RawFileBackend.Options(true, false, true, 512);
    private static final RawFileBackend.Options UNLOCKED = new RawFileBackend.Options(false, false, false, 512);

    @TempDir
    private Path directory;

    private final IoScratch scratch = new IoScratch();

    private Path image(int bytes) throws Exception {
        return Files.write(directory.resolve("disk.img"), new byte[bytes]);
    }

    private static void refuses(String reason, Path path, RawFileBackend.Options options) {
        ImageException e = assertThrows(
                ImageException.class,
                () -> RawFileBackend.open(path.toString(), options).close());
        assertEquals("image " + path + ": " + reason, e.getMessage());
    }

    @Test
    void refusesWhatIsNoDisk() throws Exception {
        refuses("no such file or directory", directory.resolve("nothing"), WRITABLE);
        refuses("is a directory", directory, WRITABLE);
        refuses("is a directory", directory, READ_ONLY);
        refuses("is empty", image(0), WRITABLE);
        refuses("size 1000 is not a multiple of 512 bytes", image(1000), WRITABLE);
        refuses("is neither a regular file nor a block device", Path.of("/dev/null"), WRITABLE);
        refuses(
                "size 5120 is not a multiple of the block size 4096",
                image(5120),
                new RawFileBackend.Options(false, false, true, 4096));
    }

    @Test
    void refusesAFifoWithoutWaitingForAWriter() throws Exception {
        Path fifo = directory.resolve("fifo");
        assertEquals(0, new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor());
        refuses("is neither a regular file nor a block device", fifo, READ_ONLY);
    }

    @Test
    void oneWriterOrManyReaders() throws Exception {
        Path image = image(4096);
        RawFileBackend first = RawFileBackend.open(image.toString(), WRITABLE);
        refuses("is in use by another process", image, WRITABLE);
        refuses("is in use by another process", image, READ_ONLY);
        RawFileBackend.open(image.toString(), UNLOCKED).close();
        first.close();
        try (RawFileBackend one = RawFileBackend.open(image.toString(), READ_ONLY);
                RawFileBackend two = RawFileBackend.open(image.toString(), READ_ONLY)) {
            assertEquals(one.sizeBytes(), two.sizeBytes());
            refuses("is in use by another process", image, WRITABLE);
        }
        RawFileBackend.open(image.toString(), WRITABLE).close();
    }

    @Test
    void noticesANewSize() throws Exception {
        Path image = image(8192);
        try (RawFileBackend backend = RawFileBackend.open(image.toString(), WRITABLE);
                RandomAccessFile outside = new RandomAccessFile(image.toFile(), "rw")) {
            assertFalse(backend.refreshSize());
            outside.setLength(1 << 20);
            assertEquals(8192, backend.sizeBytes());
            assertTrue(backend.refreshSize());
            assertEquals(1 << 20, backend.sizeBytes());
            outside.setLength(1300);
            assertTrue(backend.refreshSize());
            assertEquals(1024, backend.sizeBytes());
        }
    }

    @Test
    void aNewSizeIsWholeBlocks() throws Exception {
        Path image = image(8192);
        RawFileBackend.Options options = new RawFileBackend.Options(false, false, true, 4096);
        try (RawFileBackend backend = RawFileBackend.open(image.toString(), options);
                RandomAccessFile outside = new RandomAccessFile(image.toFile(), "rw")) {
            outside.setLength(8192 + 512);
            assertFalse(backend.refreshSize());
            outside.setLength(16384 - 512);
            assertTrue(backend.refreshSize());
            assertEquals(12288, backend.sizeBytes());
        }
    }

    @Test
    void aFileThatShrankIsAnErrorNotAShortRead() throws Exception {
        Path image = image(8192);
        try (RawFileBackend backend = RawFileBackend.open(image.toString(), WRITABLE);
                RandomAccessFile outside = new RandomAccessFile(image.toFile(), "rw")) {
            outside.setLength(512);
            Transfer transfer = new Memory(4096).transfer(0, 0, 4096);
            int first = backend.read(transfer, scratch, false);
            int result = first < 0 ? first : backend.read(transfer, scratch, true);
            assertEquals(-Errno.EIO, result);
            assertEquals(512, transfer.done());
        }
    }

    @Test
    void aDescriptorThatCannotBeWrittenSaysSo() throws Exception {
        try (RawFileBackend backend = RawFileBackend.open(image(4096).toString(), READ_ONLY)) {
            assertTrue(backend.isReadOnly());
            Transfer transfer = new Memory(512).transfer(0, 0, 512);
            assertEquals(-Errno.EBADF, backend.write(transfer, scratch, true, false));
        }
    }

    @ParameterizedTest
    @CsvSource({"discard", "unmap"})
    void givesStorageBack(String how) throws Exception {
        int bytes = 1 << 20;
        Path image = directory.resolve("full.img");
        byte[] data = new byte[bytes];
        new Random(5).nextBytes(data);
        Files.write(image, data);
        long before = blocks(image);
        try (RawFileBackend backend = RawFileBackend.open(image.toString(), WRITABLE)) {
            int result = how.equals("discard")
                    ? backend.discard(1 << 18, 1 << 18)
                    : backend.writeZeroes(1 << 18, 1 << 18, true, scratch);
            assertEquals(0, result);
            assertEquals(0, backend.flush());
        }
        assertTrue(blocks(image) <= before - (1 << 18) / 512, "storage is given back");
        java.util.Arrays.fill(data, 1 << 18, 1 << 19, (byte) 0);
        assertArrayEquals(data, Files.readAllBytes(image));
    }

    @Test
    void writeZeroesWithoutUnmapKeepsStorage() throws Exception {
        Path image = directory.resolve("full.img");
        byte[] data = new byte[1 << 20];
        java.util.Arrays.fill(data, (byte) 1);
        Files.write(image, data);
        try (RawFileBackend backend = RawFileBackend.open(image.toString(), WRITABLE)) {
            assertEquals(0, backend.flush());
            long before = blocks(image);
            assertEquals(0, backend.writeZeroes(0, 1 << 20, false, scratch));
            assertEquals(0, backend.flush());
            assertEquals(before, blocks(image));
        }
        assertArrayEquals(new byte[1 << 20], Files.readAllBytes(image));
    }

    /** Storage of a file in units of 512 bytes. */
    private static long blocks(Path file) throws Exception {
        Process stat = new ProcessBuilder("stat", "-c", "%b", file.toString()).start();
        return Long.parseLong(new String(stat.getInputStream().readAllBytes()).trim());
    }
}
