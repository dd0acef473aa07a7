package org.virtiobackend.virtio.pci;

import io.netty.buffer.ByteBuf;
import org.virtiobackend.virtio.device.DeviceConfig;

/**
 * The device-specific configuration as the driver sees it, and the generation that goes with it. The generation shown
 * moves by one when something changed since the driver last looked, however often: an 8-bit count of all changes could
 * come around unnoticed.
 */
final class DeviceConfigRegion {
    private static final int CHUNK = 8;

    private final DeviceConfig config;
    private int seen;
    private int shown;
    /** What the driver sees while the device is suspended; null otherwise. */
    private byte[] frozen;

    DeviceConfigRegion(DeviceConfig config) {
        this.config = config;
        this.seen = config.generation();
    }

    /** The config_generation register (virtio 1.4 4.1.4.3.1). */
    int generation() {
        int now = frozen == null ? config.generation() : seen;
        if (now != seen) {
            seen = now;
            shown = shown + 1 & 0xff;
        }
        return shown;
    }

    /** Shows no change and takes none until {@link #thaw} (virtio 1.4 3.4.2). */
    void freeze() {
        byte[] copy = new byte[config.length()];
        int now;
        do {
            now = generation();
            config.get(copy);
        } while (now != generation());
        frozen = copy;
    }

    void thaw() {
        frozen = null;
    }

    void read(long offset, int length, ByteBuf out) {
        if (frozen != null) {
            for (int i = 0; i < length; i++) {
                long at = offset + i;
                out.writeByte(at < frozen.length ? frozen[(int) at] : 0);
            }
            return;
        }
        for (int done = 0; done < length; done += CHUNK) {
            int part = Math.min(CHUNK, length - done);
            long value = config.get((int) offset + done, part);
            for (int i = 0; i < part; i++) {
                out.writeByte((int) (value >>> (8 * i)));
            }
        }
    }

    void write(long offset, int length, ByteBuf in) {
        if (frozen != null) {
            in.skipBytes(length);
            return;
        }
        for (int done = 0; done < length; done += CHUNK) {
            int part = Math.min(CHUNK, length - done);
            long value = 0;
            for (int i = 0; i < part; i++) {
                value |= (long) in.readUnsignedByte() << (8 * i);
            }
            config.driverWrite((int) offset + done, part, value);
        }
    }
}
