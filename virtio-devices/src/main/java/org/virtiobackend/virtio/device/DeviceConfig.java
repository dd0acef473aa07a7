package org.virtiobackend.virtio.device;

import java.util.function.Consumer;

/**
 * The device-specific configuration structure (virtio 1.4 2.5): bytes, a generation, and a listener for changes by the device.
 * Thread-safe: the transport reads it while the device changes it.
 */
public final class DeviceConfig {
    /** Called after a driver's write, with the lock held; the field in question can be read back. */
    @FunctionalInterface
    public interface WriteListener {
        void written(int offset, int length);
    }

    private final byte[] bytes;
    private final boolean[] writable;
    private int generation;
    private Runnable changeListener = () -> {};
    private WriteListener writeListener = (offset, length) -> {};

    /** @param length bytes of the structure */
    public DeviceConfig(int length) {
        bytes = new byte[length];
        writable = new boolean[length];
    }

    public int length() {
        return bytes.length;
    }

    /** Lets the driver write the field at {@code offset}; everything else ignores writes. */
    public synchronized DeviceConfig allowWrites(int offset, int length) {
        for (int i = 0; i < length; i++) {
            writable[offset + i] = true;
        }
        return this;
    }

    public synchronized void onDriverWrite(WriteListener listener) {
        writeListener = listener;
    }

    /** The transport's interest in changes: it raises the configuration change notification. */
    public synchronized void onChange(Runnable listener) {
        changeListener = listener;
    }

    /** Set a field before the device is offered, or inside {@link #change}. */
    public synchronized void set(int offset, int length, long value) {
        for (int i = 0; i < length; i++) {
            bytes[offset + i] = (byte) (value >>> (8 * i));
        }
    }

    /** Changes fields as one step: new generation, then the notification. */
    public void change(Consumer<DeviceConfig> update) {
        Runnable listener;
        synchronized (this) {
            update.accept(this);
            generation++;
            listener = changeListener;
        }
        listener.run();
    }

    /** Reads little-endian, 1 to 8 bytes; bytes beyond the structure read as 0. */
    public synchronized long get(int offset, int length) {
        long value = 0;
        for (int i = 0; i < length; i++) {
            int at = offset + i;
            if (at >= 0 && at < bytes.length) {
                value |= (bytes[at] & 0xffL) << (8 * i);
            }
        }
        return value;
    }

    /** Copies the whole structure, or as much of it as there is room for, as it is at one moment. */
    public synchronized void get(byte[] copy) {
        System.arraycopy(bytes, 0, copy, 0, Math.min(bytes.length, copy.length));
    }

    /** A driver's write; read-only bytes keep their value. */
    public synchronized void driverWrite(int offset, int length, long value) {
        boolean any = false;
        for (int i = 0; i < length; i++) {
            int at = offset + i;
            if (at >= 0 && at < bytes.length && writable[at]) {
                bytes[at] = (byte) (value >>> (8 * i));
                any = true;
            }
        }
        if (any) {
            writeListener.written(offset, length);
        }
    }

    /** Changes with every {@link #change}; the transport shows its low 8 bits (virtio 1.4 4.1.4.3.1). */
    public synchronized int generation() {
        return generation;
    }
}
