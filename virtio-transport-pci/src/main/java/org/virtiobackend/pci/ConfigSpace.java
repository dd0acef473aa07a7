package org.virtiobackend.pci;

/**
 * The bytes of a configuration space, which bits of them a bus may change, and what they are at power-on. Byte
 * granular, so any width works at any offset.
 */
public final class ConfigSpace {
    private final byte[] bytes = new byte[PciRegisters.CONFIG_SIZE];
    private final byte[] writable = new byte[PciRegisters.CONFIG_SIZE];
    private final byte[] powerOn = new byte[PciRegisters.CONFIG_SIZE];

    /**
     * Defines a register, little-endian.
     *
     * @param width bytes, 1 to 8
     * @param value at power-on
     * @param writableBits bits that {@link #write} changes
     */
    public void define(int offset, int width, long value, long writableBits) {
        for (int i = 0; i < width; i++) {
            powerOn[offset + i] = bytes[offset + i] = (byte) (value >>> (8 * i));
            writable[offset + i] = (byte) (writableBits >>> (8 * i));
        }
    }

    /** One byte, 0 to 255. */
    public int get(int offset) {
        return bytes[offset] & 0xff;
    }

    /** A register, little-endian, 1 to 8 bytes. */
    public long get(int offset, int width) {
        long value = 0;
        for (int i = 0; i < width; i++) {
            value |= (bytes[offset + i] & 0xffL) << (8 * i);
        }
        return value;
    }

    /** A write by the bus: changes the writable bits of one byte. */
    public void write(int offset, int value) {
        int mask = writable[offset];
        bytes[offset] = (byte) (bytes[offset] & ~mask | value & mask);
    }

    /** A change by the function itself; ignores {@code writable}. */
    public void set(int offset, int width, long value) {
        for (int i = 0; i < width; i++) {
            bytes[offset + i] = (byte) (value >>> (8 * i));
        }
    }

    /** Back to the values at power-on. */
    public void reset() {
        System.arraycopy(powerOn, 0, bytes, 0, bytes.length);
    }
}
