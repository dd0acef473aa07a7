package org.virtiobackend.devices.blk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.virtiobackend.devices.blk.BlkFixture.concat;
import static org.virtiobackend.devices.blk.BlkFixture.header;
import static org.virtiobackend.devices.blk.BlkFixture.range;
import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;
import org.virtiobackend.devices.blk.BlkFixture.Reply;
import org.virtiobackend.devices.blk.backend.BlockBackend;
import org.virtiobackend.devices.blk.backend.RamBackend;
import org.virtiobackend.devices.blk.backend.RawFileBackend;
import org.virtiobackend.virtio.device.worker.WorkerPool;

/** Requests of every kind, good and bad, through a real ring; on memory and on a file. */
@Timeout(value = 60, unit = TimeUnit.SECONDS)
@ParameterizedClass
@ValueSource(strings = {"ram", "file"})
class BlkRequestTest {
    private static final int SECTORS = 4096;
    private static final byte[] NONE = {};

    @TempDir
    private static Path directory;

    private final String kind;
    private final Random random = new Random(7);
    private BlkFixture blk;

    BlkRequestTest(String kind) {
        this.kind = kind;
    }

    @BeforeEach
    void start() throws Exception {
        blk = new BlkFixture(backend(), BlkSettings.defaults());
    }

    private BlockBackend backend() throws Exception {
        if (kind.equals("ram")) {
            return RamBackend.create((long) SECTORS * SECTOR_BYTES);
        }
        Path image = Files.write(directory.resolve("disk.img"), new byte[SECTORS * SECTOR_BYTES]);
        return RawFileBackend.open(image.toString(), new RawFileBackend.Options(false, false, true, 512));
    }

    @AfterEach
    void stop() {
        blk.close();
        assertFalse(blk.failure.isDone(), "no request may fail the device");
    }

    private byte[] randomBytes(int length) {
        byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        return bytes;
    }

    private void write(long sector, byte[] data) throws Exception {
        Reply reply = blk.request(VIRTIO_BLK_T_OUT, sector, data, 0);
        assertEquals(VIRTIO_BLK_S_OK, reply.status());
        assertEquals(1, reply.usedLength());
    }

    private byte[] read(long sector, int length) throws Exception {
        Reply reply = blk.request(VIRTIO_BLK_T_IN, sector, NONE, length);
        assertEquals(VIRTIO_BLK_S_OK, reply.status());
        assertEquals(length + 1, reply.usedLength());
        return reply.data();
    }

    /** The request ends with this status, says so in one byte or more, and leaves the disk as it is. */
    private void refuses(int status, byte[] readable, int writable) throws Exception {
        byte[] before = read(0, 64 * SECTOR_BYTES);
        long errors = blk.device.errorCount();
        Reply reply = blk.request(readable, new int[0], writable);
        assertEquals(status, reply.status());
        assertEquals(writable, reply.usedLength());
        assertArrayEquals(new byte[writable - 1], reply.data(), "nothing of an earlier request leaks");
        assertEquals(errors + 1, blk.device.errorCount());
        assertArrayEquals(before, read(0, 64 * SECTOR_BYTES));
    }

    @Test
    void readsWhatWasWritten() throws Exception {
        for (int sectors : new int[] {1, 7, 8, 64, 1024, 2100}) {
            byte[] data = randomBytes(sectors * SECTOR_BYTES);
            write(13, data);
            assertArrayEquals(data, read(13, data.length));
        }
    }

    @Test
    void lastSectorIsInReach() throws Exception {
        byte[] data = randomBytes(SECTOR_BYTES);
        write(SECTORS - 1, data);
        assertArrayEquals(data, read(SECTORS - 1, SECTOR_BYTES));
    }

    @Test
    void emptyTransfersSucceed() throws Exception {
        write(0, NONE);
        assertEquals(0, read(SECTORS, 0).length);
    }

    @Test
    void flushSucceeds() throws Exception {
        Reply reply = blk.request(VIRTIO_BLK_T_FLUSH, 0, NONE, 0);
        assertEquals(VIRTIO_BLK_S_OK, reply.status());
        assertEquals(1, reply.usedLength());
    }

    @Test
    void givesItsIdPaddedWithNuls() throws Exception {
        Reply reply = blk.request(VIRTIO_BLK_T_GET_ID, 0, NONE, ID_BYTES);
        assertEquals(VIRTIO_BLK_S_OK, reply.status());
        assertEquals(ID_BYTES + 1, reply.usedLength());
        assertArrayEquals(Arrays.copyOf("virtio-backend".getBytes(StandardCharsets.US_ASCII), ID_BYTES), reply.data());
    }

    @Test
    void givesAsMuchOfItsIdAsFits() throws Exception {
        assertEquals(
                "virt", new String(blk.request(VIRTIO_BLK_T_GET_ID, 0, NONE, 4).data(), StandardCharsets.US_ASCII));
        byte[] longer = blk.request(VIRTIO_BLK_T_GET_ID, 0, NONE, 40).data();
        assertArrayEquals(Arrays.copyOf("virtio-backend".getBytes(StandardCharsets.US_ASCII), 40), longer);
    }

    // hostile-driver.md row 20
    @Test
    void framingDoesNotMatter() throws Exception {
        byte[] data = randomBytes(4 * SECTOR_BYTES);
        int[] bytes = new int[VirtioBlk.HEADER_BYTES];
        Arrays.fill(bytes, 1);
        int[][] readableCuts = {{}, {16}, {15}, {17}, {3, 13, 1, 511}, bytes, {16, 512, 512, 512}, {8, 8, 2000}};
        int[][] writableCuts = {{}, {2048}, {2047}, {2047, 1}, {1, 2046, 1}, {512, 512, 512, 512}, bytes, {2000, 49}};
        for (int[] out : readableCuts) {
            for (int[] in : writableCuts) {
                random.nextBytes(data);
                Reply written = blk.request(concat(header(VIRTIO_BLK_T_OUT, 20), data), out, 1);
                assertEquals(VIRTIO_BLK_S_OK, written.status());
                Reply got = blk.request(header(VIRTIO_BLK_T_IN, 20), out, data.length + 1, in);
                assertEquals(VIRTIO_BLK_S_OK, got.status());
                assertEquals(data.length + 1, got.usedLength());
                assertArrayEquals(data, got.data());
            }
        }
    }

    @Test
    void headerShorterThanItsStructIsAnError() throws Exception {
        for (int length : new int[] {0, 1, 8, 15}) {
            refuses(VIRTIO_BLK_S_IOERR, new byte[length], 513);
        }
    }

    // hostile-driver.md row 26: status-only chains; no status at all
    @Test
    void withoutAStatusByteNothingIsDone() throws Exception {
        byte[] data = randomBytes(SECTOR_BYTES);
        Reply reply = blk.request(concat(header(VIRTIO_BLK_T_OUT, 0), data), new int[] {16}, 0);
        assertEquals(0, reply.usedLength());
        assertArrayEquals(new byte[SECTOR_BYTES], read(0, SECTOR_BYTES));
        assertEquals(1, blk.device.errorCount());
    }

    @Test
    void unknownTypesAreUnsupported() throws Exception {
        int[] types = {2, 3, 5, 7, 9, VIRTIO_BLK_T_GET_LIFETIME, VIRTIO_BLK_T_SECURE_ERASE, -1, Integer.MIN_VALUE};
        for (int type : types) {
            refuses(VIRTIO_BLK_S_UNSUPP, header(type, 0), 1);
        }
        for (int type = VIRTIO_BLK_T_ZONE_APPEND; type <= VIRTIO_BLK_T_ZONE_RESET_ALL; type++) {
            refuses(VIRTIO_BLK_S_UNSUPP, header(type, 0), 65);
        }
    }

    // hostile-driver.md row 26
    @Test
    void nothingBeyondCapacity() throws Exception {
        long[] sectors = {
            SECTORS, SECTORS - 1, SECTORS + 1, -1L, -2L, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 55, -1L >>> 9
        };
        byte[] data = randomBytes(2 * SECTOR_BYTES);
        for (long sector : sectors) {
            refuses(VIRTIO_BLK_S_IOERR, header(VIRTIO_BLK_T_IN, sector), data.length + 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(VIRTIO_BLK_T_OUT, sector), data), 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(VIRTIO_BLK_T_DISCARD, 0), range(sector, 2, 0)), 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(sector, 2, 1)), 1);
        }
    }

    @Test
    void lengthsThatAreNoSectorsAreErrors() throws Exception {
        for (int length : new int[] {1, 511, 513, 1000}) {
            refuses(VIRTIO_BLK_S_IOERR, header(VIRTIO_BLK_T_IN, 0), length + 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(VIRTIO_BLK_T_OUT, 0), new byte[length]), 1);
        }
    }

    @Test
    void aFailedLargeReadIsZeroedByThePool() throws Exception {
        refuses(VIRTIO_BLK_S_IOERR, header(VIRTIO_BLK_T_IN, SECTORS - 1), (1 << 20) + 1);
        refuses(VIRTIO_BLK_S_UNSUPP, header(99, 0), 300_000);
    }

    // hostile-driver.md row 26; virtio 1.4 5.2.6.2
    @Test
    void unknownFlagsOfRangesAreUnsupported() throws Exception {
        write(0, randomBytes(64 * SECTOR_BYTES));
        for (int flags : new int[] {2, 3, 1 << 31, -1}) {
            refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 8, flags)), 1);
            refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(0, 8, flags)), 1);
        }
        refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 8, RANGE_UNMAP)), 1);
        // the flag decides also when an earlier range is beyond the disk, and nothing of a sound one is done
        byte[] mixed = concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(0, 8, 0), range(-1, 8, 0), range(8, 8, 2));
        refuses(VIRTIO_BLK_S_UNSUPP, mixed, 1);
    }

    @Test
    void rangeListsThatAreTornOrTooLongAreErrors() throws Exception {
        write(0, randomBytes(64 * SECTOR_BYTES));
        for (int type : new int[] {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES}) {
            refuses(VIRTIO_BLK_S_IOERR, header(type, 0), 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(type, 0), new byte[15]), 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(type, 0), range(0, 8, 0), new byte[1]), 1);
            byte[] list = header(type, 0);
            for (int i = 0; i <= BlkRanges.MAX_RANGES; i++) {
                list = concat(list, range(i, 1, 0));
            }
            refuses(VIRTIO_BLK_S_IOERR, list, 1);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(type, 0), range(0, 8, 0), range(0, 0xffff_ffffL, 0)), 1);
        }
    }

    @Test
    void rangesAreServedAll() throws Exception {
        byte[] data = randomBytes(64 * SECTOR_BYTES);
        write(0, data);
        byte[] list = header(VIRTIO_BLK_T_WRITE_ZEROES, 0);
        for (int i = 0; i < BlkRanges.MAX_RANGES; i++) {
            list = concat(list, range(2 * i, i % 3, i & RANGE_UNMAP));
            Arrays.fill(data, 2 * i * SECTOR_BYTES, (2 * i + i % 3) * SECTOR_BYTES, (byte) 0);
        }
        Reply reply = blk.request(list, new int[] {16, 5, 11, 30}, 1);
        assertEquals(VIRTIO_BLK_S_OK, reply.status());
        assertArrayEquals(data, read(0, data.length));
    }

    @Test
    void discardSucceeds() throws Exception {
        byte[] data = randomBytes(64 * SECTOR_BYTES);
        write(0, data);
        byte[] list = concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 8, 0), range(16, 8, 0));
        assertEquals(VIRTIO_BLK_S_OK, blk.request(list, new int[] {16}, 1).status());
        byte[] after = read(0, data.length);
        assertArrayEquals(Arrays.copyOfRange(data, 8 * 512, 16 * 512), Arrays.copyOfRange(after, 8 * 512, 16 * 512));
        assertArrayEquals(Arrays.copyOfRange(data, 24 * 512, 64 * 512), Arrays.copyOfRange(after, 24 * 512, 64 * 512));
    }

    @Test
    void rangeCommandsNeedTheirFeature() throws Exception {
        blk.reset();
        blk.start(VIRTIO_BLK_F_FLUSH);
        refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 8, 0)), 1);
        refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(0, 8, 0)), 1);
    }

    @Test
    void aReadOnlyDeviceWritesNothingWhateverTheDriverAccepted() throws Exception {
        blk.close();
        for (long accept : new long[] {-1L, ~VIRTIO_BLK_F_RO}) {
            BlkSettings settings = new BlkSettings("ro", true, 512, 1, 256, false);
            blk = new BlkFixture(backend(), settings, accept, WorkerPool.ADAPTIVE);
            refuses(VIRTIO_BLK_S_IOERR, concat(header(VIRTIO_BLK_T_OUT, 0), randomBytes(SECTOR_BYTES)), 1);
            refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_DISCARD, 0), range(0, 8, 0)), 1);
            refuses(VIRTIO_BLK_S_UNSUPP, concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(0, 8, 0)), 1);
            assertEquals(
                    VIRTIO_BLK_S_OK, blk.request(VIRTIO_BLK_T_FLUSH, 0, NONE, 0).status());
            blk.close();
        }
        start();
    }

    @Test
    void agreesWithAByteArrayWhateverIsAsked() throws Exception {
        byte[] model = new byte[SECTORS * SECTOR_BYTES];
        for (int i = 0; i < 1_500; i++) {
            int sectors = random.nextInt(1, 200);
            int sector = random.nextInt(SECTORS - sectors + 1);
            int from = sector * SECTOR_BYTES;
            int length = sectors * SECTOR_BYTES;
            switch (random.nextInt(4)) {
                case 0 -> {
                    byte[] data = randomBytes(length);
                    byte[] request = concat(header(VIRTIO_BLK_T_OUT, sector), data);
                    assertEquals(
                            VIRTIO_BLK_S_OK, blk.request(request, anyCuts(), 1).status());
                    System.arraycopy(data, 0, model, from, length);
                }
                case 1 -> {
                    int flags = random.nextInt(2);
                    byte[] request = concat(header(VIRTIO_BLK_T_WRITE_ZEROES, 0), range(sector, sectors, flags));
                    assertEquals(
                            VIRTIO_BLK_S_OK, blk.request(request, anyCuts(), 1).status());
                    Arrays.fill(model, from, from + length, (byte) 0);
                }
                default -> {
                    Reply reply = blk.request(header(VIRTIO_BLK_T_IN, sector), anyCuts(), length + 1, anyCuts());
                    assertEquals(VIRTIO_BLK_S_OK, reply.status());
                    assertArrayEquals(Arrays.copyOfRange(model, from, from + length), reply.data());
                }
            }
        }
        assertArrayEquals(model, read(0, model.length));
    }

    private int[] anyCuts() {
        return random.ints(random.nextInt(0, 12), 1, 3000).toArray();
    }

    @Test
    void moreRequestsThanOneAreOutAtATime() throws Exception {
        byte[] data = randomBytes(SECTORS * SECTOR_BYTES);
        write(0, data);
        try (BlkBurst burst = new BlkBurst(blk, 32, 64 * 1024)) {
            for (int round = 0; round < 50; round++) {
                burst.readAndCompare(data, random);
            }
        }
    }

    @Test
    void worksAgainAfterAReset() throws Exception {
        byte[] data = randomBytes(SECTOR_BYTES);
        for (int i = 0; i < 5; i++) {
            write(i, data);
            blk.reset();
            blk.start(blk.device.offeredFeatures());
            assertArrayEquals(data, read(i, SECTOR_BYTES));
        }
    }
}
