package org.virtiobackend.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.virtiobackend.devices.blk.VirtioBlk.VIRTIO_BLK_S_IOERR;
import static org.virtiobackend.devices.blk.VirtioBlk.VIRTIO_BLK_S_OK;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.virtiobackend.devices.blk.VirtioBlk;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.posix.UnixSocket;
import org.virtiobackend.swiotlb.driver.DmaBuffer;
import org.virtiobackend.virtio.VirtioFeature;
import org.virtiobackend.virtio.pci.VirtioPciOptions;

/** The program as a process of its own, with the embedded driver as its guest. */
@Timeout(value = 120, unit = TimeUnit.SECONDS)
class BackendProcessTest {
    private static final int IMAGE_BYTES = 4 << 20;
    private static final int REQUEST = 16 << 10;
    private static final EmbeddedDisk.Shape SHAPE = new EmbeddedDisk.Shape(16, REQUEST, BufferPlace.guest, true);

    @TempDir
    private Path directory;

    private Path socket;
    private Path image;
    private BackendProcess backend;

    @BeforeEach
    void files() throws Exception {
        socket = directory.resolve("s");
        image = Files.write(directory.resolve("disk.img"), new byte[IMAGE_BYTES]);
    }

    @AfterEach
    void kill() {
        if (backend != null) {
            backend.close();
        }
    }

    private void start(String... more) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "blk", "--socket-path=" + socket, "--image=" + image, "--image-format=raw", "--log-level=warn"));
        arguments.addAll(List.of(more));
        backend = BackendProcess.start(arguments);
    }

    private EmbeddedDisk attach() throws IOException {
        return EmbeddedDisk.attach(socket.toString(), SHAPE);
    }

    private static int write(EmbeddedDisk disk, long sector, byte[] bytes) throws IOException {
        BlkDriver requests = disk.requests();
        int slot = requests.acquire();
        DmaBuffer data = requests.data(slot);
        data.memory().put(data.offset(), bytes);
        requests.write(slot, sector, bytes.length);
        int status = disk.serve(slot);
        requests.release(slot);
        return status;
    }

    private static byte[] read(EmbeddedDisk disk, long sector, int length) throws IOException {
        BlkDriver requests = disk.requests();
        int slot = requests.acquire();
        requests.read(slot, sector, length);
        assertEquals(VIRTIO_BLK_S_OK, disk.serve(slot));
        byte[] bytes = new byte[length];
        DmaBuffer data = requests.data(slot);
        data.memory().get(data.offset(), bytes);
        requests.release(slot);
        return bytes;
    }

    private static void flush(EmbeddedDisk disk) throws IOException {
        int slot = disk.requests().acquire();
        disk.requests().flush(slot);
        assertEquals(VIRTIO_BLK_S_OK, disk.serve(slot));
        disk.requests().release(slot);
    }

    private static byte[] randomBytes(int length, long seed) {
        byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    @Test
    void servesItsOwnerOnlyAndStopsCleanly() throws Exception {
        start();
        assertEquals("rw-------", PosixFilePermissions.toString(Files.getPosixFilePermissions(socket)));
        byte[] data = randomBytes(REQUEST, 1);
        try (EmbeddedDisk disk = attach()) {
            assertEquals(IMAGE_BYTES, disk.capacityBytes());
            assertEquals(VIRTIO_BLK_S_OK, write(disk, 8, data));
            assertArrayEquals(data, read(disk, 8, REQUEST));
        }
        assertEquals(0, backend.stop());
        assertFalse(Files.exists(socket));
        byte[] content = Files.readAllBytes(image);
        assertArrayEquals(data, Arrays.copyOfRange(content, 8 * 512, 8 * 512 + REQUEST));
    }

    // hostile-driver.md row 27: what a guest writes never becomes the host's idea of the format
    @Test
    void aHeaderThatTheGuestWroteStaysData() throws Exception {
        byte[] header = Arrays.copyOf(new byte[] {'Q', 'F', 'I', (byte) 0xfb, 0, 0, 0, 3}, 512);
        start();
        try (EmbeddedDisk disk = attach()) {
            assertEquals(VIRTIO_BLK_S_OK, write(disk, 0, header));
        }
        assertEquals(0, backend.stop());
        start();
        try (EmbeddedDisk disk = attach()) {
            assertEquals(IMAGE_BYTES, disk.capacityBytes());
            assertArrayEquals(header, read(disk, 0, 512));
        }
    }

    @Test
    void replacesAStaleSocket() throws Exception {
        UnixSocket.listen(socket.toString(), 1).close();
        assertTrue(Files.exists(socket));
        start();
        attach().close();
        assertEquals(0, backend.stop());
    }

    @Test
    void stopsDuringIoAndKeepsWhatWasFlushed() throws Exception {
        start();
        byte[] data = randomBytes(REQUEST, 2);
        EmbeddedDisk disk = attach();
        assertEquals(VIRTIO_BLK_S_OK, write(disk, 0, data));
        flush(disk);
        keepBusy(disk);
        long before = System.nanoTime();
        assertEquals(0, backend.stop());
        assertTrue(System.nanoTime() - before < TimeUnit.SECONDS.toNanos(60), "promptly");
        assertThrows(IOException.class, disk::close);
        assertArrayEquals(data, Arrays.copyOf(Files.readAllBytes(image), REQUEST));
    }

    /** Leaves as many requests out as there are slots. */
    private static void keepBusy(EmbeddedDisk disk) throws IOException {
        BlkDriver requests = disk.requests();
        int slot;
        while ((slot = requests.acquire()) >= 0) {
            requests.write(slot, 64, REQUEST);
        }
        disk.publish();
    }

    @Test
    void clientsThatVanishDuringIoLeaveNothingBehind() throws Exception {
        start();
        try (EmbeddedDisk first = attach()) {
            write(first, 0, new byte[512]);
        }
        long fds = 0;
        for (int i = 0; i < 25; i++) {
            if (i == 5) {
                fds = descriptors();
            }
            EmbeddedDisk disk = attachNext();
            keepBusy(disk);
            disk.driver().pci().close();
        }
        try (EmbeddedDisk last = attachNext()) {
            byte[] data = randomBytes(REQUEST, 3);
            assertEquals(VIRTIO_BLK_S_OK, write(last, 256, data));
            assertArrayEquals(data, read(last, 256, REQUEST));
            long before = fds;
            await(() -> descriptors() <= before + 10, "descriptors are given back");
        }
        assertEquals(0, backend.stop());
    }

    /** A writable image is one client's: the server may still be about to notice that the one before has gone. */
    private EmbeddedDisk attachNext() throws IOException {
        EmbeddedDisk[] disk = new EmbeddedDisk[1];
        await(
                () -> {
                    try {
                        disk[0] = attach();
                        return true;
                    } catch (IOException e) {
                        return false;
                    }
                },
                "the next client is let in");
        return disk[0];
    }

    private long descriptors() {
        String[] names =
                Path.of("/proc", Long.toString(backend.pid()), "fd").toFile().list();
        return names == null ? 0 : names.length;
    }

    @Test
    void aWritableImageIsForOneClientAtATime() throws Exception {
        start();
        try (EmbeddedDisk first = attach()) {
            assertThrows(IOException.class, this::attach);
            assertArrayEquals(new byte[512], read(first, 0, 512));
        }
        attach().close();
    }

    @Test
    void aReadOnlyImageIsForMany() throws Exception {
        start("--read-only");
        try (EmbeddedDisk first = attach();
                EmbeddedDisk second = attach()) {
            assertEquals(VIRTIO_BLK_S_IOERR, write(first, 0, new byte[512]));
            assertArrayEquals(read(first, 0, 512), read(second, 0, 512));
            assertTrue((second.driver().features() & VirtioBlk.VIRTIO_BLK_F_RO) != 0);
        }
    }

    @Test
    void noticesThatTheImageGrows() throws Exception {
        start();
        try (EmbeddedDisk disk = attach()) {
            long generation = generation(disk);
            assertThrows(AssertionError.class, () -> read(disk, IMAGE_BYTES / 512, 512));
            try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
                file.setLength(2L * IMAGE_BYTES);
            }
            await(() -> generation(disk) != generation, "a change of configuration");
            assertEquals(2L * IMAGE_BYTES / 512, disk.driver().readConfig(VirtioBlk.CONFIG_CAPACITY, 8));
            assertArrayEquals(new byte[512], read(disk, IMAGE_BYTES / 512, 512));
        }
    }

    private static long generation(EmbeddedDisk disk) throws IOException {
        return disk.driver().registers().common(org.virtiobackend.virtio.pci.CommonConfigLayout.CONFIG_GENERATION, 1);
    }

    @Test
    void writesStatistics() throws Exception {
        Path stats = directory.resolve("stats.json");
        start("--stats-file=" + stats, "--queues=2");
        assertTrue(Files.exists(stats));
        try (EmbeddedDisk disk = attach()) {
            for (int i = 0; i < 10; i++) {
                assertEquals(VIRTIO_BLK_S_OK, write(disk, i, new byte[512]));
            }
            assertThrows(AssertionError.class, () -> read(disk, -1, 512));
            await(
                    () -> {
                        JsonNode now = device(stats);
                        return now.path("errors").asLong() == 1
                                && now.path("queues").path(0).path("requests").asLong() == 11;
                    },
                    "counters of this client");
            JsonNode device = device(stats);
            assertEquals("blk", device.path("type").asText());
            assertEquals(image.toString(), device.path("source").asText());
            assertEquals(2, device.path("queues").size());
            assertEquals(11, device.path("queues").path(0).path("requests").asLong());
            assertEquals(0, device.path("queues").path(1).path("requests").asLong());
            assertTrue(device.path("dma").path("guestRamMappedBytes").asLong() > 0);
            assertEquals(0, device.path("dma").path("messagesSent").asLong(-1));
            assertEquals(0, device.path("region").path("sizeBytes").asLong(-1));
        }
        await(() -> new ObjectMapper().readTree(stats.toFile()).path("devices").isEmpty(), "the client to go");
        JsonNode all = new ObjectMapper().readTree(stats.toFile());
        assertEquals(0, all.path("dma").path("guestRamMappedBytes").asLong(-1));
        assertTrue(all.path("dma").path("guestRamMappedBytesMax").asLong() > 0);
        assertEquals(1, all.path("totals").path("clients").asLong());
        assertEquals(1, all.path("totals").path("errors").asLong());
        assertEquals(11, all.path("totals").path("requests").asLong());
        try (EmbeddedDisk disk = attach()) {
            assertEquals(VIRTIO_BLK_S_OK, write(disk, 1, new byte[512]));
            await(
                    () -> totals(stats).path("requests").asLong() == 12,
                    "those who are there to count with those who went");
            assertEquals(2, totals(stats).path("clients").asLong());
        }
    }

    private static JsonNode totals(Path stats) throws IOException {
        return new ObjectMapper().readTree(stats.toFile()).path("totals");
    }

    private static JsonNode device(Path stats) throws IOException {
        return new ObjectMapper().readTree(stats.toFile()).path("devices").path(0);
    }

    /** A condition that may take a moment to come true. */
    private interface Condition {
        boolean isTrue() throws IOException;
    }

    private static void await(Condition condition, String what) throws IOException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.isTrue()) {
            assertTrue(System.nanoTime() < deadline, what);
            Thread.onSpinWait();
        }
    }

    /** The back end offers everything; the driver leaves out one feature after the other, in either layout and place. */
    @Test
    void servesEveryRingLayoutAndFeature() throws Exception {
        start("--enable-feature=ALL", "--dma-policy=prefer");
        long all = VirtioPciOptions.SUPPORTED_FEATURES;
        int turn = 0;
        for (BufferPlace place : List.of(BufferPlace.guest, BufferPlace.bounce)) {
            for (long layout : new long[] {0, VirtioFeature.VIRTIO_F_RING_PACKED}) {
                long possible = all & ~VirtioFeature.VIRTIO_F_RING_PACKED & ~VirtioFeature.VIRTIO_F_VERSION_1;
                for (long rest = possible | 1L << 63; rest != 0; rest &= rest - 1) {
                    long less = VirtioFeature.VIRTIO_F_RING_PACKED & ~layout | Long.lowestOneBit(rest) & possible;
                    EmbeddedDisk.Shape shape = new EmbeddedDisk.Shape(16, REQUEST, place, true, all, less);
                    try (EmbeddedDisk disk = EmbeddedDisk.attach(socket.toString(), shape)) {
                        assertEquals(all & ~less, disk.driver().features() & all);
                        byte[] bytes = randomBytes(REQUEST, turn);
                        assertEquals(VIRTIO_BLK_S_OK, write(disk, 8L * turn, bytes));
                        assertArrayEquals(bytes, read(disk, 8L * turn, REQUEST));
                        keepBusy(disk);
                    }
                    turn++;
                }
            }
        }
    }

    @Test
    void theDemoPassesWithPackedRingsInOrder() {
        CommandLineRun run = CommandLineRun.of("demo", "--enable-feature=ALL", "--disable-feature=EVENT_IDX,DMB");
        assertEquals(0, run.status(), run.out() + run.err());
        assertTrue(run.out().contains("RING_PACKED IN_ORDER"), run.out());
        assertTrue(run.out().contains("(SWIOTLB)"), run.out());
        assertFalse(run.out().contains("EVENT_IDX"), run.out());
    }

    @Test
    void theDemoPasses() {
        CommandLineRun run = CommandLineRun.of("demo");
        assertEquals(0, run.status(), run.out() + run.err());
        assertEquals("", run.err());
        assertTrue(run.out().contains("demo passed"), run.out());
    }

    @Test
    void theBenchmarkMeasures() throws Exception {
        for (String memory : List.of("guest", "region")) {
            CommandLineRun run = CommandLineRun.of(
                    "bench",
                    "--json",
                    "--image=ram:64M",
                    "--memory=" + memory,
                    "--seconds=1",
                    "--warm-up=0",
                    "--load=randread-4k-qd32,randwrite-128k-qd8");
            assertEquals(0, run.status(), run.err());
            JsonNode results = new ObjectMapper().readTree(run.out());
            assertTrue(results.path("registerRead").path("p50Nanos").asLong() > 0);
            assertEquals(2, results.path("loads").size());
            for (JsonNode load : results.path("loads")) {
                assertTrue(load.path("requestsPerSecond").asLong() > 0, run.out());
                assertTrue(load.path("latency").path("p50Nanos").asLong() > 0, run.out());
            }
        }
    }

    @Test
    void theBenchmarkCompares() {
        CommandLineRun run = CommandLineRun.of(
                "bench", "--image=ram:64M", "--compare=1", "--seconds=1", "--warm-up=0", "--load=randread-128k-qd8");
        assertEquals(0, run.status(), run.err());
        List<String> rows =
                run.out().lines().filter(line -> line.startsWith("|")).toList();
        assertEquals(3, rows.size(), run.out());
        String[] cells = rows.get(2).split("\\|");
        assertEquals("randread-128k-qd8", cells[1].trim());
        assertEquals(9, cells.length);
        for (int i = 2; i < cells.length; i++) {
            assertTrue(Double.parseDouble(cells[i].trim().replace(",", "")) > 0, rows.get(2));
        }
    }
}
