package org.virtiobackend.devices.blk.backend;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Named;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.virtiobackend.virtio.device.io.IoScratch;

/** What every backend has to do, held against a byte array. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class BlockBackendTest {
    private static final int SIZE = 3 << 20;
    private static final IoScratch SCRATCH = new IoScratch();

    @TempDir
    private Path directory;

    private String loop;

    /** Opens a backend of SIZE zero bytes. */
    interface Opener {
        BlockBackend open(Path directory) throws Exception;
    }

    Stream<Named<Opener>> backends() {
        return Stream.of(
                Named.of("ram", d -> RamBackend.create(SIZE)),
                Named.of("file", d -> file(d, false)),
                Named.of("file in memory", d -> file(Files.createTempDirectory(Path.of("/dev/shm"), "blk"), false)),
                Named.of("file with direct I/O", d -> file(d, true)),
                Named.of("block device", d -> device(d, false)),
                Named.of("block device of 4 KiB sectors with direct I/O", d -> device(d, true)));
    }

    private static BlockBackend file(Path directory, boolean direct) throws Exception {
        Path image = directory.resolve("disk.img");
        Files.write(image, new byte[SIZE]);
        BlockBackend backend =
                RawFileBackend.open(image.toString(), new RawFileBackend.Options(false, direct, true, 512));
        if (directory.startsWith("/dev/shm")) {
            Files.delete(image);
            Files.delete(directory);
        }
        return backend;
    }

    private BlockBackend device(Path directory, boolean direct) throws Exception {
        Path image = Files.write(directory.resolve("loop.img"), new byte[SIZE]);
        loop = command("losetup", "--find", "--show", "--sector-size", direct ? "4096" : "512", image.toString());
        assumeTrue(!loop.isEmpty(), "this machine lets us make loop devices");
        return RawFileBackend.open(loop, new RawFileBackend.Options(false, direct, true, 512));
    }

    /** The first line that a command prints, or nothing when it fails. */
    private static String command(String... words) throws Exception {
        Process process;
        try {
            process = new ProcessBuilder(words).start();
        } catch (IOException e) {
            return "";
        }
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return process.waitFor() == 0 ? out.strip() : "";
    }

    @AfterEach
    void detach() throws Exception {
        if (loop != null && !loop.isEmpty()) {
            command("losetup", "--detach", loop);
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void agreesWithAByteArrayWhateverIsDone(Opener opener) throws Exception {
        try (BlockBackend backend = opener.open(directory)) {
            Random random = new Random(42);
            byte[] model = new byte[SIZE];
            for (int i = 0; i < 400; i++) {
                int at = 512 * random.nextInt(SIZE / 512);
                int length = 512 * random.nextInt(1, Math.min(300, (SIZE - at) / 512) + 1);
                step(backend, random, model, at, length);
            }
            assertArrayEquals(model, read(backend, new Memory(SIZE), 0, 0, SIZE));
        }
    }

    private static void step(BlockBackend backend, Random random, byte[] model, int at, int length) {
        switch (random.nextInt(5)) {
            case 0, 1 -> {
                byte[] data = new byte[length];
                random.nextBytes(data);
                System.arraycopy(data, 0, model, at, length);
                write(backend, anyMemory(random, length).put(data), at, length, random.nextBoolean());
            }
            case 2 -> {
                byte[] expected = Arrays.copyOfRange(model, at, at + length);
                assertArrayEquals(expected, read(backend, anyMemory(random, length), 0, at, length));
            }
            case 3 -> {
                boolean unmap = random.nextBoolean();
                assertEquals(0, backend.writeZeroes(at, length, unmap, SCRATCH));
                Arrays.fill(model, at, at + length, (byte) 0);
            }
            default -> assertEquals(0, backend.flush());
        }
    }

    private static Memory anyMemory(Random random, int length) {
        return switch (random.nextInt(4)) {
            case 0 -> new Memory(length);
            case 1 -> Memory.misaligned(length, random.nextInt(1, 4096));
            case 2 -> new Memory(length, 1, random.nextInt(1, length - 1));
            default -> {
                int[] cuts = new int[length / 512 - 1];
                Arrays.fill(cuts, 512);
                yield new Memory(length, cuts);
            }
        };
    }

    /** As the device does it: first without waiting, then what is left with waiting. */
    private static void write(BlockBackend backend, Memory memory, int at, int length, boolean durable) {
        Transfer transfer = memory.transfer(0, at, length);
        assertEquals(0, backend.write(transfer, SCRATCH, false, durable));
        assertEquals(0, backend.write(transfer, SCRATCH, true, durable));
        assertEquals(0, transfer.remaining());
    }

    private static byte[] read(BlockBackend backend, Memory memory, int memoryStart, int at, int length) {
        Transfer transfer = memory.transfer(memoryStart, at, length);
        assertEquals(0, backend.read(transfer, SCRATCH, false));
        assertEquals(0, backend.read(transfer, SCRATCH, true));
        assertEquals(0, transfer.remaining());
        return memory.get(memoryStart + length);
    }

    @ParameterizedTest
    @MethodSource("backends")
    void leavesMemoryAroundTheTransferAlone(Opener opener) throws Exception {
        try (BlockBackend backend = opener.open(directory)) {
            byte[] data = new byte[2048];
            new Random(1).nextBytes(data);
            write(backend, new Memory(2048).put(data), 4096, 2048, false);
            byte[] marks = new byte[1000 + 1024 + 500];
            Arrays.fill(marks, (byte) 7);
            Memory memory = new Memory(marks.length, 999, 1, 1, 513).put(marks);
            read(backend, memory, 1000, 4096 + 512, 1024);
            System.arraycopy(data, 512, marks, 1000, 1024);
            assertArrayEquals(marks, memory.get(marks.length));
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void movesMoreSegmentsThanASystemCallTakes(Opener opener) throws Exception {
        try (BlockBackend backend = opener.open(directory)) {
            int length = 512 * 3000;
            byte[] data = new byte[length];
            new Random(2).nextBytes(data);
            int[] cuts = new int[2999];
            Arrays.fill(cuts, 512);
            write(backend, new Memory(length, cuts).put(data), 512, length, false);
            assertArrayEquals(data, read(backend, new Memory(length, cuts), 0, 512, length));
        }
    }

    @ParameterizedTest
    @MethodSource("backends")
    void discardNeverFailsAndLeavesTheRest(Opener opener) throws Exception {
        try (BlockBackend backend = opener.open(directory)) {
            byte[] data = new byte[SIZE];
            new Random(3).nextBytes(data);
            write(backend, new Memory(SIZE).put(data), 0, SIZE, false);
            assertEquals(0, backend.discard(1 << 20, 1 << 20));
            byte[] after = read(backend, new Memory(SIZE), 0, 0, SIZE);
            assertEquals(-1, Arrays.mismatch(Arrays.copyOf(data, 1 << 20), Arrays.copyOf(after, 1 << 20)));
            assertEquals(
                    -1,
                    Arrays.mismatch(Arrays.copyOfRange(data, 2 << 20, SIZE), Arrays.copyOfRange(after, 2 << 20, SIZE)));
        }
    }
}
