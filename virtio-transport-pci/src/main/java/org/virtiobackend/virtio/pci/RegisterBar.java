package org.virtiobackend.virtio.pci;

import io.netty.buffer.ByteBuf;

/**
 * The BAR that holds the virtio registers, a page for each structure. SPDK's vfio-user initiator knows exactly this
 * layout and reads no capability. Accesses that cross from one structure into the next are served by both.
 */
final class RegisterBar {
    static final int BAR = 4;
    static final int PART_SIZE = 0x1000;
    static final int COMMON = 0x0000;
    static final int ISR = 0x1000;
    static final int DEVICE = 0x2000;
    static final int NOTIFY = 0x3000;
    /** Bytes of a notification with its data. */
    private static final int NOTIFICATION_BYTES = 4;

    private static final int MAX_NOTIFY_LENGTH = 1 << 28;

    private final CommonConfig common;
    private final VirtioInterrupts interrupts;
    private final DeviceConfigRegion deviceConfig;
    private final DeviceLifecycle lifecycle;
    private final int queues;
    private final int notifyMultiplier;

    RegisterBar(
            CommonConfig common,
            VirtioInterrupts interrupts,
            DeviceConfigRegion deviceConfig,
            DeviceLifecycle lifecycle,
            int queues,
            int notifyMultiplier) {
        this.common = common;
        this.interrupts = interrupts;
        this.deviceConfig = deviceConfig;
        this.lifecycle = lifecycle;
        this.queues = queues;
        this.notifyMultiplier = notifyMultiplier;
    }

    /**
     * Bytes of the notification structure, whole pages (virtio 1.4 4.1.4.4.1).
     *
     * @param multiplier bytes between the addresses of two queues
     */
    static int notifyLength(int queues, int multiplier) {
        long length = Math.max(0, queues - 1) * (long) multiplier + NOTIFICATION_BYTES;
        if (length > MAX_NOTIFY_LENGTH) {
            throw new IllegalArgumentException(queues + " queues, " + multiplier
                    + " bytes between their notifications: more than " + MAX_NOTIFY_LENGTH + " bytes");
        }
        return (int) length + PART_SIZE - 1 & -PART_SIZE;
    }

    /** Bytes of the BAR, a power of two. */
    static int size(int notifyLength) {
        return Integer.highestOneBit(NOTIFY + notifyLength - 1) << 1;
    }

    static boolean isNotify(int bar, long offset) {
        return bar == BAR && offset >= NOTIFY;
    }

    void read(long offset, int length, ByteBuf out) {
        long at = offset;
        int left = length;
        while (left > 0) {
            int inPart = (int) at & PART_SIZE - 1;
            int count = Math.min(left, PART_SIZE - inPart);
            switch ((int) at & -PART_SIZE) {
                case COMMON -> common.read(inPart, count, out);
                case ISR -> readIsr(inPart, count, out);
                case DEVICE -> deviceConfig.read(inPart, count, out);
                default -> out.writeZero(count);
            }
            at += count;
            left -= count;
        }
    }

    private void readIsr(int offset, int length, ByteBuf out) {
        for (int i = 0; i < length; i++) {
            out.writeByte(offset + i == 0 ? interrupts.takeIsr() : 0);
        }
    }

    /** @param enabled false: the bytes are taken and dropped, a reset is under way */
    void write(long offset, int length, ByteBuf in, boolean enabled) {
        if (!enabled) {
            in.skipBytes(length);
            return;
        }
        long at = offset;
        int left = length;
        while (left > 0) {
            int inPart = (int) at & PART_SIZE - 1;
            int count = Math.min(left, PART_SIZE - inPart);
            switch ((int) at & -PART_SIZE) {
                case COMMON -> common.write(inPart, count, in);
                case DEVICE -> deviceConfig.write(inPart, count, in);
                case NOTIFY -> writeNotify(at, count, in);
                default -> in.skipBytes(count);
            }
            at += count;
            left -= count;
        }
    }

    /**
     * Available buffer notification: by address, or by value when all queues share one address (virtio 1.4 4.1.5.2).
     * With an address per queue the value tells nothing new and is not looked at. A queue that does not exist is
     * nobody's.
     */
    void writeNotify(long offset, int length, ByteBuf in) {
        int at = (int) offset - NOTIFY;
        int start = in.readerIndex();
        int queue = -1;
        if (notifyMultiplier == 0) {
            queue = at == 0 && length >= 2 ? in.getUnsignedShortLE(start) : -1;
        } else if ((at & notifyMultiplier - 1) == 0) {
            queue = at / notifyMultiplier;
        }
        in.readerIndex(start + length);
        if (queue >= 0 && queue < queues) {
            lifecycle.kick(queue);
        }
    }
}
