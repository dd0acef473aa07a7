package org.virtiobackend.devices.blk;

import org.virtiobackend.virtio.FeatureNames;

/**
 * Numbers of the block device (virtio 1.4 5.2), under the specification's names.
 *
 * <pre>
 * struct virtio_blk_req                    struct virtio_blk_discard_write_zeroes
 *  0 le32 type                              0 le64 sector
 *  4 le32 reserved                          8 le32 num_sectors
 *  8 le64 sector                           12 le32 flags (bit 0: unmap)
 * 16 u8   data[]
 *    u8   status  (last writable byte)
 * </pre>
 */
public final class VirtioBlk {
    // feature bits: virtio 1.4 5.2.3
    public static final long VIRTIO_BLK_F_SIZE_MAX = 1L << 1;
    public static final long VIRTIO_BLK_F_SEG_MAX = 1L << 2;
    public static final long VIRTIO_BLK_F_GEOMETRY = 1L << 4;
    public static final long VIRTIO_BLK_F_RO = 1L << 5;
    public static final long VIRTIO_BLK_F_BLK_SIZE = 1L << 6;
    public static final long VIRTIO_BLK_F_FLUSH = 1L << 9;
    public static final long VIRTIO_BLK_F_TOPOLOGY = 1L << 10;
    public static final long VIRTIO_BLK_F_CONFIG_WCE = 1L << 11;
    public static final long VIRTIO_BLK_F_MQ = 1L << 12;
    public static final long VIRTIO_BLK_F_DISCARD = 1L << 13;
    public static final long VIRTIO_BLK_F_WRITE_ZEROES = 1L << 14;
    public static final long VIRTIO_BLK_F_LIFETIME = 1L << 15;
    public static final long VIRTIO_BLK_F_SECURE_ERASE = 1L << 16;
    public static final long VIRTIO_BLK_F_ZONED = 1L << 17;

    // struct virtio_blk_config, offsets in bytes: virtio 1.4 5.2.4
    public static final int CONFIG_CAPACITY = 0;
    public static final int CONFIG_SIZE_MAX = 8;
    public static final int CONFIG_SEG_MAX = 12;
    public static final int CONFIG_GEOMETRY = 16;
    public static final int CONFIG_BLK_SIZE = 20;
    public static final int CONFIG_PHYSICAL_BLOCK_EXP = 24;
    public static final int CONFIG_ALIGNMENT_OFFSET = 25;
    public static final int CONFIG_MIN_IO_SIZE = 26;
    public static final int CONFIG_OPT_IO_SIZE = 28;
    public static final int CONFIG_WRITEBACK = 32;
    public static final int CONFIG_NUM_QUEUES = 34;
    public static final int CONFIG_MAX_DISCARD_SECTORS = 36;
    public static final int CONFIG_MAX_DISCARD_SEG = 40;
    public static final int CONFIG_DISCARD_SECTOR_ALIGNMENT = 44;
    public static final int CONFIG_MAX_WRITE_ZEROES_SECTORS = 48;
    public static final int CONFIG_MAX_WRITE_ZEROES_SEG = 52;
    public static final int CONFIG_WRITE_ZEROES_MAY_UNMAP = 56;
    public static final int CONFIG_SECURE_ERASE = 60;
    public static final int CONFIG_ZONED = 72;
    public static final int CONFIG_BYTES = 96;

    // requests: virtio 1.4 5.2.6
    public static final int VIRTIO_BLK_T_IN = 0;
    public static final int VIRTIO_BLK_T_OUT = 1;
    public static final int VIRTIO_BLK_T_FLUSH = 4;
    public static final int VIRTIO_BLK_T_GET_ID = 8;
    public static final int VIRTIO_BLK_T_GET_LIFETIME = 10;
    public static final int VIRTIO_BLK_T_DISCARD = 11;
    public static final int VIRTIO_BLK_T_WRITE_ZEROES = 13;
    public static final int VIRTIO_BLK_T_SECURE_ERASE = 14;
    public static final int VIRTIO_BLK_T_ZONE_APPEND = 15;
    public static final int VIRTIO_BLK_T_ZONE_REPORT = 16;
    public static final int VIRTIO_BLK_T_ZONE_RESET_ALL = 26;

    public static final int VIRTIO_BLK_S_OK = 0;
    public static final int VIRTIO_BLK_S_IOERR = 1;
    public static final int VIRTIO_BLK_S_UNSUPP = 2;

    /** Bytes of a request before its data. */
    public static final int HEADER_BYTES = 16;
    /** Bytes of the device ID string. */
    public static final int ID_BYTES = 20;
    /** Bytes of a sector, whatever blk_size says. */
    public static final int SECTOR_BYTES = 512;
    /** Bytes of one {@code struct virtio_blk_discard_write_zeroes}. */
    public static final int RANGE_BYTES = 16;
    /** The unmap flag of a range. */
    public static final int RANGE_UNMAP = 1;

    /** Names of the block device's features. */
    public static final FeatureNames FEATURES = FeatureNames.of(VirtioBlk.class, "VIRTIO_BLK_F_");

    private VirtioBlk() {}

    /** Names of the block device's bits that are set, separated by spaces; other bits are left out. */
    public static String featureNames(long features) {
        return FEATURES.names(features);
    }
}
