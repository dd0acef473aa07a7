package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Chapter;
import org.virtiobackend.conformance.runner.Check;
import org.virtiobackend.conformance.runner.Check.Scope;
import org.virtiobackend.conformance.runner.LiveQueue;
import org.virtiobackend.conformance.runner.LiveQueue.Sent;
import org.virtiobackend.conformance.runner.LiveQueue.Shape;
import org.virtiobackend.conformance.runner.Probe.Request;
import org.virtiobackend.virtio.VirtioDeviceId;

/**
 * The block device (virtio 1.4 5.2). Sectors that are written to, in the first 8 KiB, get their contents back, unless
 * the device loses them.
 */
public final class BlkChecks implements Chapter {
    private static final int BYTES = 4096;
    private static final int SECTORS = BYTES / SECTOR_BYTES;
    private static final int UNUSED0 = 33;
    private static final int UNUSED1 = 57;
    private static final int UNUSED1_BYTES = 3;

    @Override
    public int deviceType() {
        return VirtioDeviceId.BLOCK;
    }

    @Check(
            id = "blk.offer",
            clauses = {"BLK-INIT-DEV-01", "BLK-INIT-DEV-02", "BLK-INIT-DEV-04", "BLK-INIT-DEV-05"},
            scope = Scope.OFFER)
    public void offer(Bench bench) throws IOException {
        long offered = bench.driver().offeredFeatures();
        bench.about("BLK-INIT-DEV-01");
        bench.that((offered & VIRTIO_BLK_F_FLUSH) != 0, "VIRTIO_BLK_F_FLUSH is not offered");
        bench.about("BLK-INIT-DEV-02");
        bench.that(
                (offered & VIRTIO_BLK_F_CONFIG_WCE) == 0 || (offered & VIRTIO_BLK_F_FLUSH) != 0,
                "VIRTIO_BLK_F_CONFIG_WCE is offered without VIRTIO_BLK_F_FLUSH");
        bench.about("BLK-INIT-DEV-04");
        byte[] config = DeviceConfig.read(bench);
        if (config.length > UNUSED0) {
            bench.equal(0, config[UNUSED0], "unused0");
        }
        for (int at = UNUSED1; at < UNUSED1 + UNUSED1_BYTES && at < config.length; at++) {
            bench.equal(0, config[at], "unused1");
        }
        bench.about("BLK-INIT-DEV-05");
        int model = config.length > CONFIG_ZONED + 20 ? config[CONFIG_ZONED + 20] : 0;
        bench.that((offered & VIRTIO_BLK_F_ZONED) == 0 || model != 0, "VIRTIO_BLK_F_ZONED of a device without zones");
    }

    @Check(id = "blk.writeback", clauses = "BLK-INIT-DEV-03")
    public void writeback(Bench bench) throws IOException {
        bench.about("BLK-INIT-DEV-03");
        bench.negotiate();
        bench.equal(0, bench.registers().device(CONFIG_WRITEBACK, 1), "writeback");
    }

    @Check(
            id = "blk.read-only",
            clauses = {"BLK-IO-DEV-03", "BLK-IO-DEV-04"})
    public void readOnly(Bench bench) throws IOException {
        bench.about("BLK-IO-DEV-03");
        LiveQueue queue = bench.start();
        byte[] before = read(queue, 0);
        byte[] pattern = new byte[BYTES];
        Arrays.fill(pattern, (byte) ~before[0]);
        bench.equal(VIRTIO_BLK_S_IOERR, write(queue, 0, pattern), "status of a write");
        bench.about("BLK-IO-DEV-04");
        bench.that(Arrays.equals(before, read(queue, 0)), "a write has changed a read-only device");
    }

    @Check(
            id = "blk.ranges",
            clauses = {"BLK-IO-DEV-05", "BLK-IO-DEV-06"},
            when = "offers:!VIRTIO_BLK_F_RO")
    public void ranges(Bench bench) throws IOException {
        LiveQueue queue = bench.start();
        bench.about("BLK-IO-DEV-05");
        int[] types = {VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_T_SECURE_ERASE};
        long[] features = {VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES, VIRTIO_BLK_F_SECURE_ERASE};
        for (int i = 0; i < types.length; i++) {
            if (bench.has(features[i])) {
                for (int flags : new int[] {2, 1 << 31}) {
                    int status = range(queue, types[i], 0, SECTORS, flags);
                    bench.equal(
                            VIRTIO_BLK_S_UNSUPP,
                            status,
                            "status of request type " + types[i] + " with an unknown flag");
                }
            }
        }
        if (bench.about("BLK-IO-DEV-06")) {
            int status = range(queue, VIRTIO_BLK_T_DISCARD, 0, SECTORS, RANGE_UNMAP);
            bench.equal(VIRTIO_BLK_S_UNSUPP, status, "status of discard with unmap");
        }
    }

    @Check(id = "blk.write-zeroes", clauses = "BLK-IO-DEV-09", when = "offers:!VIRTIO_BLK_F_RO")
    public void writeZeroes(Bench bench) throws IOException {
        bench.about("BLK-IO-DEV-09");
        LiveQueue queue = bench.start();
        byte[] before = read(queue, 0);
        byte[] pattern = new byte[BYTES];
        Arrays.fill(pattern, (byte) 0x3c);
        for (int flags = 0; flags <= RANGE_UNMAP; flags++) {
            bench.equal(VIRTIO_BLK_S_OK, write(queue, 0, pattern), "status of a write");
            int status = range(queue, VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS, flags);
            bench.equal(VIRTIO_BLK_S_OK, status, "status of write zeroes with flags " + flags);
            bench.that(Arrays.equals(new byte[BYTES], read(queue, 0)), "sectors are not zero, flags " + flags);
        }
        write(queue, 0, before);
    }

    @Check(id = "blk.zones", clauses = "BLK-IO-DEV-18")
    public void zones(Bench bench) throws IOException {
        bench.about("BLK-IO-DEV-18");
        LiveQueue queue = bench.start();
        for (int type : new int[] {15, 16, 18, 20, 22, 24, 26}) {
            boolean report = type == VIRTIO_BLK_T_ZONE_REPORT;
            Request request =
                    new Request(BlkProbe.header(type, 0), report ? SECTOR_BYTES + 1 : 1, 1, (in, used) -> null);
            Sent sent = send(queue, request);
            bench.equal(VIRTIO_BLK_S_UNSUPP, BlkProbe.status(sent.in().get()), "status of zone request " + type);
        }
    }

    @Check(id = "blk.capacity-change", clauses = "BLK-IO-DEV-02", when = "msix")
    public void capacityChange(Bench bench) throws IOException {
        bench.about("BLK-IO-DEV-02");
        bench.start();
        CommonConfigChecks.drain(bench);
        long before = bench.driver().readConfig(CONFIG_CAPACITY, 8);
        bench.changeConfiguration();
        bench.await("another capacity", () -> bench.driver().readConfig(CONFIG_CAPACITY, 8) != before);
        bench.await("configuration change notification", () -> bench.interrupts(bench.configVector()) > 0);
        bench.that(true, "");
    }

    private static Sent send(LiveQueue queue, Request request) throws IOException {
        Sent sent = queue.put(request, Shape.PLAIN, 0xa5);
        queue.go();
        queue.await(sent);
        return sent;
    }

    private static byte[] read(LiveQueue queue, long sector) throws IOException {
        Request request = new Request(BlkProbe.header(VIRTIO_BLK_T_IN, sector), BYTES + 1, 1, (in, used) -> null);
        return Arrays.copyOf(send(queue, request).in().get(), BYTES);
    }

    private static int write(LiveQueue queue, long sector, byte[] data) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + data.length);
        out.put(BlkProbe.header(VIRTIO_BLK_T_OUT, sector)).put(data);
        return BlkProbe.status(send(queue, new Request(out.array(), 1, HEADER_BYTES, 0, (in, used) -> null))
                .in()
                .get());
    }

    private static int range(LiveQueue queue, int type, long sector, int sectors, int flags) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + RANGE_BYTES).order(ByteOrder.LITTLE_ENDIAN);
        out.put(BlkProbe.header(type, 0)).putLong(sector).putInt(sectors).putInt(flags);
        return BlkProbe.status(send(queue, new Request(out.array(), 1, HEADER_BYTES, 0, (in, used) -> null))
                .in()
                .get());
    }
}
