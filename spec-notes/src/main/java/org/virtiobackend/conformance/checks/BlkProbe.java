package org.virtiobackend.conformance.checks;

import static org.virtiobackend.devices.blk.VirtioBlk.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.virtiobackend.conformance.runner.Bench;
import org.virtiobackend.conformance.runner.Probe;

/** Block requests that change nothing: the device ID, and reads of the first 8 KiB (virtio 1.4 5.2.6). */
final class BlkProbe implements Probe {
    private static final int READ_BYTES = 4096;

    @Override
    public long choosable() {
        return VIRTIO_BLK_F_SIZE_MAX
                | VIRTIO_BLK_F_SEG_MAX
                | VIRTIO_BLK_F_GEOMETRY
                | VIRTIO_BLK_F_RO
                | VIRTIO_BLK_F_BLK_SIZE
                | VIRTIO_BLK_F_FLUSH
                | VIRTIO_BLK_F_TOPOLOGY
                | VIRTIO_BLK_F_CONFIG_WCE
                | VIRTIO_BLK_F_MQ
                | VIRTIO_BLK_F_DISCARD
                | VIRTIO_BLK_F_WRITE_ZEROES;
    }

    @Override
    public int queue(Bench bench) {
        return 0;
    }

    @Override
    public boolean isStable(int configOffset) {
        return configOffset != CONFIG_WRITEBACK; // follows the negotiated features
    }

    @Override
    public Request request(Bench bench, int number) {
        return switch (number % 3) {
            case 0 -> new Request(header(VIRTIO_BLK_T_GET_ID, 0), ID_BYTES + 1, 1, BlkProbe::judgeId);
            case 1 -> read(0);
            default -> read(READ_BYTES / SECTOR_BYTES);
        };
    }

    private static Request read(long sector) {
        return new Request(header(VIRTIO_BLK_T_IN, sector), READ_BYTES + 1, 1, (in, used) -> {
            int status = status(in);
            return status != VIRTIO_BLK_S_OK ? "a read ended with status " + status : length(in, used);
        });
    }

    private static String judgeId(byte[] in, long used) {
        int status = status(in);
        if (status == VIRTIO_BLK_S_UNSUPP) {
            return null;
        }
        return status != VIRTIO_BLK_S_OK ? "GET_ID ended with status " + status : length(in, used);
    }

    private static String length(byte[] in, long used) {
        return used < 0 || used == in.length ? null : "of " + in.length + " bytes written it says " + used;
    }

    /** The last byte that the device writes. */
    static int status(byte[] in) {
        return in[in.length - 1] & 0xff;
    }

    static byte[] header(int type, long sector) {
        return ByteBuffer.allocate(HEADER_BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(type)
                .putInt(0)
                .putLong(sector)
                .array();
    }
}
