package org.virtiobackend.virtio.queue;

/**
 * Offsets in the areas of a packed virtqueue (virtio 1.4 2.8).
 *
 * <pre>
 * descriptor         0 addr/8   8 len/4   12 id/2   14 flags/2
 * event suppression  0 desc/2 (offset in bits 0-14, wrap counter in bit 15)   2 flags/2
 * </pre>
 */
public final class PackedLayout {
    public static final int DESCRIPTOR_SIZE = 16;
    public static final int DESCRIPTOR_ADDR = 0;
    public static final int DESCRIPTOR_LEN = 8;
    public static final int DESCRIPTOR_ID = 12;
    public static final int DESCRIPTOR_FLAGS = 14;

    public static final int VIRTQ_DESC_F_NEXT = 1;
    public static final int VIRTQ_DESC_F_WRITE = 2;
    public static final int VIRTQ_DESC_F_INDIRECT = 4;
    public static final int VIRTQ_DESC_F_AVAIL = 1 << 7;
    public static final int VIRTQ_DESC_F_USED = 1 << 15;

    public static final int EVENT_SIZE = 4;
    public static final int EVENT_DESC = 0;
    public static final int EVENT_FLAGS = 2;
    public static final int RING_EVENT_FLAGS_ENABLE = 0;
    public static final int RING_EVENT_FLAGS_DISABLE = 1;
    public static final int RING_EVENT_FLAGS_DESC = 2;
    public static final int EVENT_WRAP = 1 << 15;

    public static final int DESC_ALIGNMENT = 16;
    public static final int EVENT_ALIGNMENT = 4;

    /** Largest queue size (virtio 1.4 2.8). */
    public static final int MAX_SIZE = 32768;

    private PackedLayout() {}

    public static int descBytes(int size) {
        return DESCRIPTOR_SIZE * size;
    }

    /** Flags of a descriptor that the driver makes available in the round with this wrap counter. */
    public static int availFlags(boolean wrap) {
        return wrap ? VIRTQ_DESC_F_AVAIL : VIRTQ_DESC_F_USED;
    }

    /** Flags of a descriptor that the device has used in the round with this wrap counter. */
    public static int usedFlags(boolean wrap) {
        return wrap ? VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED : 0;
    }

    public static boolean isAvailable(int flags, boolean wrap) {
        return (flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)) == availFlags(wrap);
    }

    public static boolean isUsed(int flags, boolean wrap) {
        return (flags & (VIRTQ_DESC_F_AVAIL | VIRTQ_DESC_F_USED)) == usedFlags(wrap);
    }

    /**
     * Whether a notification is due after {@code count} descriptors up to position {@code at} of the round {@code wrap}, for an event
     * structure that names a descriptor (virtio 1.4 2.8.10).
     */
    public static boolean needEvent(int event, int at, boolean wrap, int count, int size) {
        int offset = event & (EVENT_WRAP - 1);
        boolean eventWrap = (event & EVENT_WRAP) != 0;
        // Positions of the round before count from below 0, so that the comparison is one of plain numbers.
        int target = eventWrap == wrap ? offset : offset - size;
        return target < at && target >= at - count;
    }
}
