package org.virtiobackend.cli;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.virtiobackend.devices.blk.driver.BlkDriver;
import org.virtiobackend.swiotlb.driver.DmaBuffer;

/** The demo's I/O: everything that is written is also kept here, and every byte read is compared. */
final class DemoIo {
    private static final int WRITES = 2_000;

    private final EmbeddedDisk disk;
    private final BlkDriver requests;
    private final DemoReport report;
    private final int slots;
    private final int maxSectors;
    private final byte[] model;
    private final Random random = new Random();

    DemoIo(EmbeddedDisk disk, EmbeddedDisk.Shape shape, DemoReport report) {
        this.disk = disk;
        this.requests = disk.requests();
        this.report = report;
        this.slots = shape.slots();
        this.maxSectors = shape.dataBytes() / SECTOR_BYTES;
        this.model = new byte[(int) disk.capacityBytes()];
    }

    void run(Path image) throws IOException {
        report.check(true, "serial number \"" + serial() + "\"");
        long bytes = writeRandomly();
        report.check(
                bytes > 0,
                WRITES + " writes of 512 B to " + maxSectors / 2 + " KiB, " + slots + " at a time, all over the disk: "
                        + (bytes >> 20) + " MiB");
        report.check(readsBack(), "read back: every byte of the disk is what was written");
        zeroes();
        report.check(readsBack(), "write zeroes and discard: the range reads as zeroes, the rest is as before");
        int slot = requests.acquire();
        requests.flush(slot);
        report.check(disk.serve(slot) == VIRTIO_BLK_S_OK, "flush");
        requests.release(slot);
        report.check(
                Arrays.equals(model, Files.readAllBytes(image)),
                "the image file, read from outside, holds the same bytes");
        report.check(
                refused(disk.capacityBytes() / SECTOR_BYTES) && refused(-1L) && readsBack(),
                "requests beyond the end are refused, and the device goes on");
    }

    private String serial() throws IOException {
        int slot = requests.acquire();
        requests.getId(slot);
        expectOk(disk.serve(slot));
        byte[] id = new byte[ID_BYTES];
        DmaBuffer data = requests.data(slot);
        data.memory().get(data.offset(), id);
        requests.release(slot);
        return new String(id, StandardCharsets.US_ASCII).replace("\0", "");
    }

    /** Every slot writes in its own part of the disk, so that no two requests that are out overlap. */
    private long writeRandomly() throws IOException {
        long bytes = 0;
        int left = WRITES;
        for (int i = 0; i < slots; i++, left--) {
            bytes += write(requests.acquire());
        }
        disk.publish();
        for (int out = slots; out > 0; ) {
            int slot = disk.await();
            expectOk(requests.status(slot));
            if (left-- > 0) {
                bytes += write(slot);
                disk.publish();
            } else {
                requests.release(slot);
                out--;
            }
        }
        return bytes;
    }

    private int write(int slot) {
        int partSectors = model.length / SECTOR_BYTES / slots;
        int sectors = random.nextInt(1, maxSectors + 1);
        int sector = slot * partSectors + random.nextInt(partSectors - sectors + 1);
        byte[] bytes = new byte[sectors * SECTOR_BYTES];
        random.nextBytes(bytes);
        System.arraycopy(bytes, 0, model, sector * SECTOR_BYTES, bytes.length);
        DmaBuffer data = requests.data(slot);
        data.memory().put(data.offset(), bytes);
        requests.write(slot, sector, bytes.length);
        return bytes.length;
    }

    private boolean readsBack() throws IOException {
        boolean same = true;
        int chunk = maxSectors * SECTOR_BYTES;
        byte[] got = new byte[chunk];
        int slot = requests.acquire();
        for (int at = 0; at < model.length; at += chunk) {
            int length = Math.min(chunk, model.length - at);
            requests.read(slot, at / SECTOR_BYTES, length);
            expectOk(disk.serve(slot));
            DmaBuffer data = requests.data(slot);
            data.memory().get(data.offset(), got, 0, length);
            same &= Arrays.equals(got, 0, length, model, at, at + length);
        }
        requests.release(slot);
        return same;
    }

    private void zeroes() throws IOException {
        int slot = requests.acquire();
        int sectors = model.length / SECTOR_BYTES / 8;
        for (int part = 1; part <= 2; part++) {
            requests.writeZeroes(slot, (long) part * sectors, sectors, part == 1);
            expectOk(disk.serve(slot));
            Arrays.fill(model, part * sectors * SECTOR_BYTES, (part + 1) * sectors * SECTOR_BYTES, (byte) 0);
        }
        requests.discard(slot, sectors, sectors);
        expectOk(disk.serve(slot));
        requests.release(slot);
    }

    private boolean refused(long sector) throws IOException {
        int slot = requests.acquire();
        requests.read(slot, sector, SECTOR_BYTES);
        int status = disk.serve(slot);
        requests.release(slot);
        return status == VIRTIO_BLK_S_IOERR;
    }

    private static void expectOk(int status) throws IOException {
        if (status != VIRTIO_BLK_S_OK) {
            throw new IOException("a request ended with status " + status);
        }
    }
}
