package org.virtiobackend.virtio.queue;

/**
 * Offsets in the three areas of a split virtqueue (virtio 1.4 2.7).
 *
 * <pre>
 * descriptor   0 addr/8   8 len/4   12 flags/2   14 next/2
 * driver area  0 flags/2  2 idx/2   4 ring[size]/2      then used_event/2
 * device area  0 flags/2  2 idx/2   4 {id/4 len/4}[size] then avail_event/2
 * </pre>
 */
public final class SplitLayout {
    public static final int DESCRIPTOR_SIZE = 16;
    public static final int DESCRIPTOR_ADDR = 0;
    public static final int DESCRIPTOR_LEN = 8;
    public static final int DESCRIPTOR_FLAGS = 12;
    public static final int DESCRIPTOR_NEXT = 14;

    public static final int VIRTQ_DESC_F_NEXT = 1;
    public static final int VIRTQ_DESC_F_WRITE = 2;
    public static final int VIRTQ_DESC_F_INDIRECT = 4;

    public static final int FLAGS = 0;
    public static final int IDX = 2;
    public static final int RING = 4;
    public static final int AVAIL_ENTRY = 2;
    public static final int USED_ENTRY = 8;

    public static final int VIRTQ_AVAIL_F_NO_INTERRUPT = 1;
    public static final int VIRTQ_USED_F_NO_NOTIFY = 1;

    public static final int DESC_ALIGNMENT = 16;
    public static final int AVAIL_ALIGNMENT = 2;
    public static final int USED_ALIGNMENT = 4;

    /** Largest queue size (virtio 1.4 2.7). */
    public static final int MAX_SIZE = 32768;

    private SplitLayout() {}

    public static int descBytes(int size) {
        return DESCRIPTOR_SIZE * size;
    }

    public static int availBytes(int size) {
        return RING + AVAIL_ENTRY * size + 2;
    }

    public static int usedBytes(int size) {
        return RING + USED_ENTRY * size + 2;
    }

    public static int usedEvent(int size) {
        return RING + AVAIL_ENTRY * size;
    }

    public static int availEvent(int size) {
        return RING + USED_ENTRY * size;
    }

    /**
     * Whether passing {@code event} between {@code oldIndex} (exclusive as of the last notification) and {@code newIndex} asks for a
     * notification (virtio 1.4 2.7.10). All are 16-bit counters.
     */
    public static boolean needEvent(int event, int newIndex, int oldIndex) {
        return ((newIndex - event - 1) & 0xffff) < ((newIndex - oldIndex) & 0xffff);
    }
}
